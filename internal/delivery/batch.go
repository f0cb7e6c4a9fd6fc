package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// batchLoop is one worker of a route that delivers in batches. It takes runs as
// they come and sends the next event of each together: never two of one run, so
// that on an ordered route a batch holds at most one event of a lane, and what comes
// after it in the lane is sent when its end is known. The runs in a worker's hands
// take turns.
func (s *session) batchLoop() {
	var hand []run // each from its next event on
	for {
		n := s.gather(&hand)
		if n == 0 {
			return
		}
		left := s.deliverBatch(hand[:n])
		hand = append(slices.Clone(hand[n:]), left...)
	}
}

// gather adds runs to the hand until its first n make a batch. It waits for the
// first and only takes what is there after that; n is 0 when nothing more comes.
func (s *session) gather(hand *[]run) (n int) {
	l := load{limit: s.cfg.Batch}
	for n < l.limit {
		if n == len(*hand) {
			r, ok := s.next(n == 0)
			if !ok {
				break
			}
			*hand = append(*hand, r)
		}
		if !l.admit((*hand)[n], &s.cfg) {
			break
		}
		n++
	}
	return n
}

// next takes a run, waiting for one if it is told to.
func (s *session) next(wait bool) (r run, ok bool) {
	if wait {
		r, ok = <-s.ready
	} else {
		select {
		case r, ok = <-s.ready:
		default:
		}
	}
	if len(s.ready) == 0 {
		s.nudge() // the next one may find nothing to do
	}
	return r, ok
}

// load is a batch that is being put together.
type load struct {
	count, bytes, limit int
	probe               bool
}

// admit takes a run's next event into the batch, unless that is full for it. A
// probe is a batch of its own.
func (l *load) admit(r run, cfg *Config) bool {
	c := &r.claims[r.from]
	limit, bytes := min(l.limit, company(cfg.Batch, c.Attempt)), l.bytes+len(c.Event.Data)
	if l.count > 0 && (l.probe || r.probe || l.count >= limit || bytes > cfg.BatchBytes) {
		return false
	}
	l.count, l.bytes, l.limit, l.probe = l.count+1, bytes, limit, r.probe
	return true
}

// company is the size of batch that an event may be part of: a quarter of the
// former one at each further attempt. An event that makes whole batches fail is alone
// after few attempts, and its neighbours do not share its fate.
func company(batch, attempt int) int {
	for ; attempt > 1 && batch > 1; attempt-- {
		batch = max(batch/4, 1)
	}
	return batch
}

// deliverBatch makes one attempt on the next event of each run, and returns the
// runs that have more.
func (s *session) deliverBatch(runs []run) (left []run) {
	starting := runs[:0]
	for _, r := range runs {
		switch {
		case r.states[r.from].Load() == stateLost: // somebody else delivers it
			left = r.leave(left)
		case !s.mayStart(r.batch):
			s.refuse(r, r.from)
		default:
			starting = append(starting, r)
		}
	}
	if len(starting) == 0 {
		return left
	}
	began := time.Now()
	outcomes := s.attemptBatch(starting)
	w := s.weigh(liveliest(outcomes), starting[0].probe, began)
	for i, r := range starting {
		if s.conclude(r.batch, r.from, outcomes[i], w) {
			left = r.leave(left)
		} else {
			s.giveBack(r, r.from+1)
		}
	}
	return left
}

// leave puts the run from its second event on among those that have one.
func (r run) leave(left []run) []run {
	if r.from++; r.from < r.to {
		return append(left, r)
	}
	return left
}

// liveliest is the outcome that says most for the destination: to the breaker
// a batch is one attempt, and a destination that took or judged one event is there.
func liveliest(outcomes []event.Outcome) *event.Outcome {
	best := &outcomes[0]
	for i := range outcomes {
		if rank(outcomes[i].Verdict) > rank(best.Verdict) {
			best = &outcomes[i]
		}
	}
	return best
}

func rank(v event.Verdict) int {
	switch v {
	case event.Delivered, event.Reject:
		return 2
	case event.Retry:
		return 1
	case event.Unavailable:
	}
	return 0
}

// attemptBatch makes one attempt on the next events of runs. Its outcomes are as
// many as runs.
func (s *session) attemptBatch(runs []run) (outcomes []event.Outcome) {
	ctx, cancel := context.WithTimeout(s.work, s.cfg.AttemptTimeout)
	defer cancel()
	batch := make([]event.Attempted, len(runs))
	for i, r := range runs {
		c := &r.claims[r.from]
		batch[i] = event.Attempted{Event: c.Event, Number: c.Attempt}
	}
	defer s.underWay(len(batch))()
	defer s.contain(batch[0].Event.ID, func(broken event.Outcome) { outcomes = slices.Repeat([]event.Outcome{broken}, len(batch)) })
	if s.tracer == nil {
		outcomes = s.batches.DeliverBatch(ctx, batch)
	} else {
		outcomes = s.tracedBatch(ctx, batch)
	}
	if len(outcomes) != len(batch) {
		panic(fmt.Sprintf("%d outcomes of %d events", len(outcomes), len(batch)))
	}
	return outcomes
}
