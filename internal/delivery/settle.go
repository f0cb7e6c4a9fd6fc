package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// endings is where workers leave what has ended. A settler takes all of it at
// once, so while one settlement is being committed the next one grows: under
// load many events share a commit, and a lone event never waits for company.
type endings struct {
	more chan struct{} // holds one signal

	mu          sync.Mutex // guards what follows
	settlements []Settlement
	refs        []ref
	closed      bool
}

// ref is the claim that a settlement is of.
type ref struct {
	*batch
	index int
}

func (e *endings) init() { e.more = make(chan struct{}, 1) }

func (e *endings) add(b *batch, i int, s Settlement) {
	e.mu.Lock()
	e.settlements = append(e.settlements, s)
	e.refs = append(e.refs, ref{b, i})
	e.mu.Unlock()
	e.signal()
}

func (e *endings) signal() {
	select {
	case e.more <- struct{}{}:
	default: // a signal is waiting already
	}
}

// close says that nothing more will be added.
func (e *endings) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.signal()
}

// take waits for endings and returns all there are, in exchange for two empty
// slices to collect the next ones in; none when closed and empty.
func (e *endings) take(settlements []Settlement, refs []ref) ([]Settlement, []ref) {
	for {
		e.mu.Lock()
		if len(e.settlements) > 0 {
			settlements, e.settlements = e.settlements, settlements[:0]
			refs, e.refs = e.refs, refs[:0]
			e.mu.Unlock()
			return settlements, refs
		}
		closed := e.closed
		e.mu.Unlock()
		if closed {
			return nil, nil
		}
		<-e.more
	}
}

// settleLoop settles what ends, until the endings are closed and empty or ctx
// is done.
func (s *session) settleLoop(ctx context.Context) {
	var settlements []Settlement
	var refs []ref
	for {
		settlements, refs = s.endings.take(settlements, refs)
		if len(settlements) == 0 {
			return
		}
		stale, ok := s.settle(ctx, settlements)
		if !ok {
			s.log.Error("events not settled, they will be delivered again", "count", len(settlements))
			return
		}
		for _, r := range refs {
			s.drop(r.batch, r.index, stateEnded)
		}
		s.tell(settlements, refs, stale)
		clear(settlements)
		clear(refs) // slices that wait for their next use must not keep payloads alive
		s.forget()
		s.nudge()
	}
}

// settle makes the settlements durable, trying again while the queue fails.
func (s *session) settle(ctx context.Context, settlements []Settlement) (stale []Settlement, ok bool) {
	for fails := 1; ; fails++ {
		stale, err := s.queue.Settle(ctx, settlements)
		if err == nil {
			s.trouble.Store(nil)
			s.metrics.stale.Add(float64(len(stale)))
			return stale, true
		}
		wait := jitter(grow(queueRetryFirst, queueRetryMax, fails), queueRetryFirst/2)
		s.complain(fails, "settle events", wait, err)
		if !sleep(ctx, wait) {
			return nil, false
		}
	}
}

// extendLoop keeps the leases of what is still held alive.
func (s *session) extendLoop(ctx context.Context) {
	t := time.NewTicker(s.cfg.Lease / 4)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.extend(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// extend prolongs, in one call, all batches with less than two thirds of
// their lease left.
func (s *session) extend(ctx context.Context) {
	now := time.Now()
	old := s.aging(now.Add(s.cfg.Lease * 2 / 3))
	var held []Claimed
	where := map[int64]ref{}
	for _, b := range old {
		for i := range b.claims {
			if b.states[i].Load() == stateHeld {
				// Not the event: the worker lets go of that meanwhile.
				c := &b.claims[i]
				held = append(held, Claimed{
					Event: event.Event{Route: s.cfg.Route}, Seq: c.Seq, Lane: c.Lane, Attempt: c.Attempt, Token: c.Token,
				})
				where[c.Seq] = ref{b, i}
			}
		}
	}
	if len(held) == 0 {
		return
	}
	lost, err := s.queue.Extend(ctx, held, s.cfg.Lease)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error("extend leases", "err", err)
		}
		return // the next tick comes well before the lease ends
	}
	for _, b := range old {
		b.until.Store(now.Add(s.cfg.Lease).UnixNano())
	}
	for _, c := range lost {
		if r, ok := where[c.Seq]; ok && s.drop(r.batch, r.index, stateLost) {
			s.metrics.lost.Inc()
		}
	}
	if len(lost) > 0 {
		s.nudge()
	}
}

// aging returns the batches with claims still held whose lease ends before at.
func (s *session) aging(at time.Time) (old []*batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.claimed {
		if b.left.Load() > 0 && b.until.Load() < at.UnixNano() {
			old = append(old, b)
		}
	}
	return old
}
