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
			if r.probe {
				s.breaker.abandonProbe(time.Now())
			}
			s.giveBack(r, i)
			return
		}
		c := &r.claims[i]
		began := time.Now()
		outcome := s.attempt(c)
		end := s.judge(c, outcome, r.probe, time.Now())
		end.Started = began
		s.metrics.count(c, &end)
		// A batch lives until its slowest event has ended; the payloads of the
		// others need not.
		c.Event = event.Event{}
		s.endings.add(r.batch, i, end)
		if end.Do == Again || end.Do == Release {
			s.giveBack(r, i+1)
			return
		}
	}
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
	s.inFlight.Add(1)
	s.metrics.inFlight.Inc()
	defer func() {
		s.inFlight.Add(-1)
		s.metrics.inFlight.Dec()
		if p := recover(); p != nil {
			// Promise 6: a broken destination never stops the others.
			s.log.Error("destination panicked", "event_id", c.Event.ID, "stack", string(debug.Stack()))
			o = event.Outcome{Verdict: event.Retry, Reason: "the destination's code panicked", Hint: "see the log; this is a defect"}
		}
	}()
	if s.tracer == nil {
		return s.dest.Deliver(ctx, c.Event, c.Attempt)
	}
	return s.traced(ctx, c)
}

// judge turns an outcome into what becomes of the event.
func (s *session) judge(c *Claimed, o event.Outcome, probe bool, now time.Time) Settlement {
	end := Settlement{Seq: c.Seq, Token: c.Token, Outcome: o, Ended: now}
	if aborted := context.Cause(s.work) != nil; aborted && o.Verdict != event.Delivered && o.Verdict != event.Reject {
		return s.judgeAborted(end)
	}
	down := s.breaker.current() != closed && !probe
	var next time.Time // of a failed probe
	if probe {
		next = s.breaker.endProbe(&o, now)
	} else {
		s.breaker.record(&o, now)
	}
	switch o.Verdict {
	case event.Delivered:
		end.Do = Done
	case event.Reject:
		end.Do = Dead
	case event.Unavailable:
		if s.breaker.off() || s.blames(c, &o) && !down {
			s.again(&end, c, now)
		} else {
			s.unavailable(&end, c, now, next)
		}
	default:
		if down || !probe && s.breaker.current() != closed {
			// It failed because the destination is down, as others found out first.
			s.unavailable(&end, c, now, next)
		} else {
			s.again(&end, c, now)
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
func (s *session) unavailable(end *Settlement, c *Claimed, now, next time.Time) {
	if why := s.cfg.Schedule.exhausted(c, false, now); why != "" {
		end.Do = Dead
		end.Outcome.Reason = fmt.Sprintf("%s: %s", why, end.Outcome.Reason)
		return
	}
	end.Do = Release
	switch {
	case !next.IsZero():
		end.Due = next.Add(s.cfg.Breaker.ProbeFirst)
	case s.breaker.current() == closed:
		end.Due = now.Add(s.cfg.Schedule.Wait(1, end.Outcome.After))
	}
}

// judgeAborted settles an attempt that we cut off ourselves. It counts, because
// the application may have acted on it; but it is never the last.
func (s *session) judgeAborted(end Settlement) Settlement {
	end.Do = Again
	if end.Outcome.Happened == event.HappenedNo {
		end.Do = Release
	}
	end.Due = end.Ended
	end.Outcome.Reason = "cut off by our own stop before an answer came"
	end.Outcome.Hint = ""
	return end
}
