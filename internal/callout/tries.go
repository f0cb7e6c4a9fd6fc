package callout

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// end is how a try ended.
type end struct {
	reply    event.Reply
	outcome  event.Outcome
	number   int
	timedOut bool // by the bound of one try
}

// tries sends a request until it has an answer, may not be repeated, or the
// time is up.
func (r *Relay) tries(ctx context.Context, call event.Call, repeatable, probe bool) end {
	for n := 1; ; n++ {
		last := r.hedged(ctx, call, n, repeatable && !probe)
		r.breaker.record(last.outcome, probe)
		r.metrics.try(last.outcome)
		if probe || n >= r.cfg.Tries || ctx.Err() != nil || !worthRepeating(last.outcome, repeatable) {
			return last
		}
		wait := r.wait(n, last.outcome.After)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return last // the answer we have is better than none
		}
		if !sleep(ctx, wait) {
			return last
		}
		if _, refused := r.breaker.admit(); refused != nil {
			return last
		}
	}
}

// worthRepeating reports whether a later try may succeed and does no harm. An
// application's 500 is its answer: a defect does not heal in a tenth of a second.
func worthRepeating(o event.Outcome, repeatable bool) bool {
	if o.Happened != event.HappenedNo && !repeatable {
		return false
	}
	switch o.Status {
	case 0:
		return o.Verdict == event.Retry || o.Verdict == event.Unavailable
	case 408, 425, 429, 502, 503, 504:
		return true
	}
	return false
}

// wait is between tries: doubling with jitter, or what the application asks for.
func (r *Relay) wait(n int, asked time.Duration) time.Duration {
	bound := r.cfg.TryWait << min(n-1, 10)
	return max(bound/2+rand.N(bound/2+1), asked)
}

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

// try sends a request once.
func (r *Relay) try(ctx context.Context, call event.Call, n int) end {
	bounded, cancel := context.WithTimeout(ctx, r.cfg.TryTimeout)
	defer cancel()
	reply, o := r.app.Respond(bounded, call, n)
	return end{reply: reply, outcome: o, number: n, timedOut: o.Status == 0 && bounded.Err() != nil && ctx.Err() == nil}
}

// hedged sends a request, and a second one beside it if the first takes long.
// The first answer counts; the other request is cancelled and waited for.
func (r *Relay) hedged(ctx context.Context, call event.Call, n int, allowed bool) end {
	if r.cfg.Hedge <= 0 || !allowed {
		return r.try(ctx, call, n)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan end, 2)
	send := func() { ends <- r.try(ctx, call, n) }
	go send()
	late := time.NewTimer(r.cfg.Hedge)
	defer late.Stop()
	select {
	case e := <-ends:
		return e
	case <-late.C:
	}
	began := time.Now()
	if !r.limit.acquire(ctx, 0) {
		return <-ends // a hedge is a luxury that a loaded application cannot afford
	}
	defer r.limit.release(unsaid, began)
	r.metrics.hedges.Inc()
	go send()
	first := <-ends
	if first.outcome.Status == 0 {
		return <-ends
	}
	cancel()
	<-ends
	return first
}
