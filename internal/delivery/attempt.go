package delivery

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// deliverLoop is one worker.
func (s *session) deliverLoop() {
	for r := range s.ready {
		if len(s.ready) == 0 {
			s.nudge() // the next one may find nothing to do
		}
		s.deliverRun(r)
	}
}

// deliverRun delivers the events of a run one after another. One that must
// wait gives back the rest, since nothing may overtake it.
func (s *session) deliverRun(r run) {
	for i := r.from; i < r.to; i++ {
		if r.states[i].Load() == stateLost {
			continue // somebody else delivers it
		}
		if !s.mayStart(r.batch) {
			s.refuse(r, i)
			return
		}
		began := time.Now()
		outcome := s.attempt(&r.claims[i])
		w := s.weigh(&outcome, r.probe, began)
		if !s.conclude(r.batch, i, outcome, w) {
			s.giveBack(r, i+1)
			return
		}
	}
}

// conclude passes on how the attempt on an event ended, and reports whether it
// was the event's last.
func (s *session) conclude(b *batch, i int, o event.Outcome, w weight) (final bool) {
	c := &b.claims[i]
	end := s.judge(c, o, w)
	final = end.Do == Done || end.Do == Dead
	if end.Do == Done && s.follow != nil {
		end.Follow = s.followers(c, o)
	}
	s.metrics.count(c, &end)
	s.effort.ended(end.Do)
	if s.settled == nil || !final {
		// A batch lives until its slowest event has ended; the payloads of the
		// others need not.
		c.Event, end.Outcome.Answer = event.Event{}, nil
	}
	s.endings.add(b, i, end)
	return final
}

// mayStart reports whether an attempt of the batch may begin now.
func (s *session) mayStart(b *batch) bool {
	if s.stopped() {
		return false
	}
	if !b.probe && s.breaker.current() != closed {
		return false
	}
	// The process may have been asleep (a suspended machine) past its lease.
	return time.Now().UnixNano() < b.until.Load()
}

// refuse gives back a run from i on that may not start.
func (s *session) refuse(r run, i int) {
	if r.probe {
		s.breaker.abandonProbe(time.Now())
	}
	s.giveBack(r, i)
}

// giveBack releases the claims of a run from i on.
func (s *session) giveBack(r run, i int) {
	for ; i < r.to; i++ {
		if r.states[i].Load() == stateHeld {
			c := &r.claims[i]
			s.endings.add(r.batch, i, Settlement{Seq: c.Seq, Token: c.Token, Do: Release})
		}
	}
}

// attempt makes one attempt.
func (s *session) attempt(c *Claimed) (o event.Outcome) {
	ctx, cancel := context.WithTimeout(s.work, s.cfg.AttemptTimeout)
	defer cancel()
	defer s.underWay(1)()
	defer s.contain(c.Event.ID, func(broken event.Outcome) { o = broken })
	if s.tracer == nil {
		return s.dest.Deliver(ctx, c.Event, c.Attempt)
	}
	return s.traced(ctx, c)
}

// underWay counts events in flight until the function it returns is called.
func (s *session) underWay(n int) func() {
	s.inFlight.Add(int64(n))
	s.metrics.inFlight.Add(float64(n))
	return func() {
		s.inFlight.Add(-int64(n))
		s.metrics.inFlight.Sub(float64(n))
	}
}

// contain turns a panic of the destination into an outcome. Promise 6: a broken
// destination never stops the others.
func (s *session) contain(id string, outcome func(event.Outcome)) {
	if p := recover(); p != nil {
		s.log.Error("destination panicked", "event_id", id, "stack", string(debug.Stack()))
		outcome(event.Outcome{Verdict: event.Retry, Reason: "the destination's code panicked", Hint: "see the log; this is a defect"})
	}
}

// weight is what an attempt says beyond the event, or events, it was made on.
type weight struct {
	began, now time.Time
	// aborted: we cut the attempt off ourselves.
	aborted bool
	// down: the destination was known to be down when the attempt ended, as others
	// had found out before; tripped: it is since this attempt, or was before.
	down, tripped bool
	// next is when the probe after this one is due, if this was one that failed.
	next time.Time
}

// weigh lets the breaker take in how an attempt ended.
func (s *session) weigh(o *event.Outcome, probe bool, began time.Time) weight {
	w := weight{began: began, now: time.Now(), aborted: context.Cause(s.work) != nil}
	s.effort.took(w.now.Sub(began))
	if w.aborted && !isFinal(o.Verdict) {
		if probe {
			s.breaker.abandonProbe(w.now)
		}
		return w
	}
	w.down = s.breaker.current() != closed && !probe
	if probe {
		w.next = s.breaker.endProbe(o, w.now)
		return w
	}
	s.breaker.record(o, w.now)
	w.tripped = s.breaker.current() != closed
	return w
}

func isFinal(v event.Verdict) bool { return v == event.Delivered || v == event.Reject }

// judge turns an outcome into what becomes of the event.
func (s *session) judge(c *Claimed, o event.Outcome, w weight) Settlement {
	end := Settlement{Seq: c.Seq, Token: c.Token, Outcome: o, Started: w.began, Ended: w.now}
	if w.aborted && !isFinal(o.Verdict) {
		return judgeAborted(end)
	}
	switch o.Verdict {
	case event.Delivered:
		end.Do = Done
	case event.Reject:
		end.Do = Dead
	case event.Unavailable:
		if s.breaker.off() || s.blames(c, &o) && !w.down {
			s.again(&end, c, w.now)
		} else {
			s.unavailable(&end, c, w)
		}
	default:
		if w.down || w.tripped {
			// It failed because the destination is down, as others found out first.
			s.unavailable(&end, c, w)
		} else {
			s.again(&end, c, w.now)
		}
	}
	return end
}

// again schedules a counted attempt's successor, or gives the event up.
func (s *session) again(end *Settlement, c *Claimed, now time.Time) {
	if why := s.cfg.Schedule.exhausted(c, true, now); why != "" {
		end.Do = Dead
		end.Outcome.Reason = fmt.Sprintf("%s: %s", why, end.Outcome.Reason)
		return
	}
	end.Do = Again
	end.Due = now.Add(s.cfg.Schedule.Wait(c.Attempt, end.Outcome.After))
}

// unavailable gives the event back uncounted. One that served as a probe lets
// another have the next turn, in case the fault is its own.
func (s *session) unavailable(end *Settlement, c *Claimed, w weight) {
	if why := s.cfg.Schedule.exhausted(c, false, w.now); why != "" {
		end.Do = Dead
		end.Outcome.Reason = fmt.Sprintf("%s: %s", why, end.Outcome.Reason)
		return
	}
	end.Do = Release
	switch {
	case !w.next.IsZero():
		end.Due = w.next.Add(s.cfg.Breaker.ProbeFirst)
	case s.breaker.current() == closed:
		end.Due = w.now.Add(s.cfg.Schedule.Wait(1, end.Outcome.After))
	}
}

// judgeAborted settles an attempt that we cut off ourselves. It counts, because
// the application may have acted on it; but it is never the last.
func judgeAborted(end Settlement) Settlement {
	end.Do = Again
	if end.Outcome.Happened == event.HappenedNo {
		end.Do = Release
	}
	end.Due = end.Ended
	end.Outcome.Reason = "cut off by our own stop before an answer came"
	end.Outcome.Hint = ""
	return end
}
