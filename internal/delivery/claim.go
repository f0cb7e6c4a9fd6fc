package delivery

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// The waits between claims while the queue itself fails.
const (
	queueRetryFirst = 100 * time.Millisecond
	queueRetryMax   = 5 * time.Second
)

// probeChoice is how many events are claimed to choose a probe from. A probe
// that were always the oldest event would spend all its attempts on that one, and an
// event that brings the application down would keep the route shut.
const probeChoice = 64

// claimLoop claims as much as there is room for, until ctx is done.
func (s *session) claimLoop(ctx context.Context) {
	fails, length := 0, s.cfg.Run
	for {
		n, probe := s.room(ctx)
		if n == 0 {
			return
		}
		began := time.Now()
		claims, err := s.queue.Claim(ctx, s.request(n, length, probe))
		length = s.runLength(length, len(claims), n)
		if len(claims) > 0 {
			// Even when stopping: they are ours now, and have to be given back.
			s.hand(s.take(claims, began, probe))
			s.trouble.Store(nil)
			fails = 0
			continue
		}
		if probe {
			s.breaker.abandonProbe(time.Now())
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fails++
			wait := jitter(grow(queueRetryFirst, queueRetryMax, fails), queueRetryFirst/2)
			s.complain(fails, "claim events", wait, err)
			if !sleep(ctx, wait) {
				return
			}
		}
	}
}

// runLength adapts the length of runs. Where many lanes have work, short runs
// give more lanes their turn at once; where few have, only long ones keep the
// workers busy. They do not get shorter than shortRun: then an event that waits
// for its lane's next turn falls behind its neighbours, and a commit that settles
// it alone costs the store as much as one that settles all of them.
func (s *session) runLength(length, got, asked int) int {
	if got == asked {
		return max(length/2, min(shortRun, s.cfg.Run))
	}
	return min(length*2, s.cfg.Run)
}

const shortRun = 4

func (s *session) request(n, length int, probe bool) ClaimRequest {
	req := ClaimRequest{
		Route: s.cfg.Route, Max: n, Run: length, Ordered: s.cfg.Ordered,
		Owner: s.cfg.Owner, Lease: s.cfg.Lease,
	}
	if probe {
		req.Run = 1
	}
	return req
}

// room waits until it makes sense to claim and returns how many events, and
// whether that is a probe; 0 when ctx is done.
func (s *session) room(ctx context.Context) (n int, probe bool) {
	for ctx.Err() == nil {
		var due <-chan time.Time
		switch s.breaker.current() {
		case closed:
			if n := s.free(); n > 0 {
				return n, false
			}
		case open:
			wait := s.breaker.probeDue(time.Now())
			if wait == 0 {
				s.breaker.beginProbe()
				return min(s.cfg.Ahead, probeChoice, max(s.affordable(), 1)), true
			}
			due = time.After(wait)
		case probing: // its outcome wakes us
		}
		select {
		case <-s.wake:
		case <-due:
		case <-ctx.Done():
		}
	}
	return 0, false
}

// free returns how much to claim now. While the workers have work in hand it
// waits for a quarter of the room, because many small claims cost more than one.
func (s *session) free() int {
	held := int(s.held.Load())
	free := min(s.cfg.Ahead-held, s.affordable())
	if held == 0 {
		free = max(free, 1)
	}
	if len(s.ready) > 0 && free < (s.cfg.Ahead+3)/4 {
		return 0
	}
	return max(free, 0)
}

// affordable returns how many more events fit into the bound of bytes, if they
// are like those of the last claim.
func (s *session) affordable() int {
	return max(0, int((int64(s.cfg.AheadBytes)-s.bytes.Load())/s.average.Load()))
}

// hand splits a batch into runs and gives them to the workers.
func (s *session) hand(b *batch) {
	if b.probe {
		s.handProbe(b)
		return
	}
	if !s.cfg.Ordered {
		for i := range b.claims {
			s.ready <- run{b, i, i + 1}
		}
		return
	}
	slices.SortStableFunc(b.claims, func(x, y Claimed) int {
		return cmp.Or(cmp.Compare(x.Lane, y.Lane), cmp.Compare(x.Seq, y.Seq))
	})
	for from := 0; from < len(b.claims); {
		to := from + 1
		for to < len(b.claims) && b.claims[to].Lane == b.claims[from].Lane {
			to++
		}
		s.ready <- run{b, from, to}
		from = to
	}
}

// handProbe gives the workers one event, drawn by lot, and the others back.
// Each is the first of its lane, because a probe claims runs of one.
func (s *session) handProbe(b *batch) {
	lot := rand.IntN(len(b.claims))
	s.giveBack(run{b, 0, lot}, 0)
	s.giveBack(run{b, lot + 1, len(b.claims)}, lot+1)
	s.ready <- run{b, lot, lot + 1}
}

// complain shows that the queue fails, and logs the first of a row of failures
// and then every tenth: at the largest wait, that is a line in 50 s.
func (d *Dispatcher) complain(fails int, what string, wait time.Duration, err error) {
	trouble := what + ": " + err.Error()
	d.trouble.Store(&trouble)
	if fails == 1 || fails%10 == 0 {
		d.log.Error("queue fails", "what", what, "times", fails, "wait", wait, "err", err)
	}
}

// sleep waits for d and reports whether it did so in full.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
