package callout

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// breaker spares an application that is not there the callouts that would only
// fail, and their callers the wait. It opens after so many unavailabilities in
// a row, or at once when the application names a wait (Retry-After); then one callout at a
// time finds out whether it is back.
//
// Slowness does not open it. An application that takes long is there, and the
// limiter looks after it.
//
// The dispatcher's breaker is another: it decides what is claimed from the store.
type breaker struct {
	failures int // that open it; negative: never
	probeMax time.Duration
	now      func() time.Time

	mu     sync.Mutex // guards what follows
	open   bool
	probe  bool // one is under way
	streak int
	tried  int // probes failed since it opened
	next   time.Time
	since  time.Time
	last   event.Outcome
}

const probeFirst = time.Second

func newBreaker(failures int, probeMax time.Duration) *breaker {
	return &breaker{failures: failures, probeMax: probeMax, now: time.Now, since: time.Now()}
}

// admit says whether a callout may go to the application; if not, when to try
// again and why. What was admitted must be recorded.
func (b *breaker) admit() (probe bool, refused *Problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return false, nil
	}
	wait := b.next.Sub(b.now())
	if wait <= 0 && !b.probe {
		b.probe = true
		return true, nil
	}
	return false, &Problem{
		Status: 503, Code: CodeAppDown, What: "the application is down: " + orElse(b.last.Reason, "it does not answer"),
		Happened: event.HappenedNo, Retry: true, After: max(wait, time.Second),
		Next: "nothing was sent: try again after Retry-After; the gateway's operator sees: " + orElse(b.last.Hint, "check the application"),
	}
}

// record takes in how a callout ended. Whoever answers at all is there, except
// when the answer says that nobody is (502, 503, 504, 429).
func (b *breaker) record(o event.Outcome, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probe = false
	} else if b.open {
		return // begun before it opened: says nothing about now
	}
	if o.Verdict != event.Unavailable {
		if b.open && o.Status == 0 {
			b.again(o) // a probe without an answer proves nothing
			return
		}
		if b.open {
			b.open, b.since = false, b.now()
		}
		b.streak, b.tried = 0, 0
		return
	}
	b.streak++
	switch {
	case b.open:
		b.again(o)
	case b.failures >= 0 && (b.streak >= b.failures || o.After > 0):
		b.open, b.since, b.tried = true, b.now(), 0
		b.again(o)
	}
}

// again schedules the next probe.
func (b *breaker) again(o event.Outcome) {
	bound := min(probeFirst<<min(b.tried, 10), b.probeMax)
	wait := bound/2 + rand.N(bound/2+1)
	b.tried++
	b.last = o
	b.next = b.now().Add(max(wait, min(o.After, b.probeMax)))
}

// describe fills in the part of a status that the breaker knows.
func (b *breaker) describe(s *delivery.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Activity, s.Since = delivery.Running, b.since
	if b.open {
		s.Activity, s.NextProbe = delivery.Paused, b.next
		s.Why, s.Hint = "the application is down: "+b.last.Reason, b.last.Hint
	}
}
