package delivery

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// BreakerConfig says when a route is paused because its destination is down,
// and how often the destination is tried meanwhile.
type BreakerConfig struct {
	// Consecutive unavailabilities without anything else between open the
	// breaker; default 5. A destination that names a wait opens it at once. A
	// negative number switches the breaker off altogether; then an unavailable
	// destination uses up attempts like any other failure.
	Consecutive int
	// Ratio of failed to all attempts within Window opens it as well, once there
	// were MinAttempts; defaults 0.9, 10 s and 20. It is for the destination that
	// answers everything with an error. A negative Ratio switches it off.
	Ratio       float64
	Window      time.Duration
	MinAttempts int
	// ProbeFirst and ProbeMax bound the wait between probes, which doubles while
	// they fail; defaults 1 s and 30 s.
	ProbeFirst, ProbeMax time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c BreakerConfig) WithDefaults() BreakerConfig {
	defInt(&c.Consecutive, 5)
	if c.Ratio == 0 {
		c.Ratio = 0.9
	}
	defDuration(&c.Window, 10*time.Second)
	defInt(&c.MinAttempts, 20)
	defDuration(&c.ProbeFirst, time.Second)
	defDuration(&c.ProbeMax, 30*time.Second)
	return c
}

// Validate reports what cannot work.
func (c BreakerConfig) Validate() error {
	var errs []error
	if c.Ratio > 1 {
		errs = append(errs, fmt.Errorf("breaker ratio %g is above 1", c.Ratio))
	}
	if c.Window <= 0 || c.MinAttempts < 1 {
		errs = append(errs, errors.New("breaker window and its least number of attempts must be positive"))
	}
	if c.ProbeFirst <= 0 || c.ProbeMax < c.ProbeFirst {
		errs = append(errs, fmt.Errorf("probe waits %s to %s are not positive and rising", c.ProbeFirst, c.ProbeMax))
	}
	return errors.Join(errs...)
}

// phase is what a breaker lets through.
type phase int32

const (
	closed  phase = iota // everything
	open                 // nothing until the next probe is due
	probing              // the one event of the probe
)

// breaker watches outcomes and decides whether the destination as a whole can
// take events. It is safe for concurrent use.
//
// failsafe-go's breaker is not used: it knows neither a wait named by the other
// side nor a reason for people, and its half-open state admits calls, where
// ours must decide what is claimed from the store.
type breaker struct {
	cfg   BreakerConfig
	limit time.Duration // bound of a wait named by the destination
	wake  func()        // called, without the lock, after every change of phase

	// phase and streak are read on the hot path without the lock; they change
	// only under it, but for streak's reset to zero.
	phase  atomic.Int32
	streak atomic.Int32
	// passed counts events that the destination took or judged. It tells an
	// outage from one event that always fails.
	passed atomic.Int64

	mu       sync.Mutex // guards what follows
	since    time.Time
	why      string
	hint     string
	failures int // probes failed since opening
	next     time.Time
	window   [2]tally // the last whole window and the running one
	turned   time.Time
}

type tally struct{ failed, all int }

func newBreaker(cfg BreakerConfig, limit time.Duration, wake func()) *breaker {
	now := time.Now()
	return &breaker{cfg: cfg, limit: limit, wake: wake, since: now, turned: now}
}

func (b *breaker) off() bool { return b.cfg.Consecutive < 0 }

func (b *breaker) current() phase { return phase(b.phase.Load()) }

// record takes in the outcome of an ordinary attempt.
func (b *breaker) record(o *event.Outcome, now time.Time) {
	if b.off() || b.current() != closed {
		return // begun before it opened: says nothing about now
	}
	failed := o.Verdict == event.Retry || o.Verdict == event.Unavailable
	if o.Verdict == event.Unavailable {
		n := b.streak.Add(1)
		if int(n) >= b.cfg.Consecutive || o.After > 0 {
			b.trip(o, now, "destination unavailable")
			return
		}
	} else {
		b.streak.Store(0)
	}
	if !failed {
		b.passed.Add(1)
	}
	if b.tooManyFailed(failed, now) {
		b.trip(o, now, "nearly every attempt fails")
	}
}

// tooManyFailed counts an attempt and judges the window.
func (b *breaker) tooManyFailed(failed bool, now time.Time) bool {
	if b.cfg.Ratio < 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.turned); age >= b.cfg.Window {
		b.window[0] = b.window[1]
		if age >= 2*b.cfg.Window {
			b.window[0] = tally{}
		}
		b.window[1], b.turned = tally{}, now
	}
	b.window[1].all++
	if failed {
		b.window[1].failed++
	}
	all := b.window[0].all + b.window[1].all
	bad := b.window[0].failed + b.window[1].failed
	return failed && all >= b.cfg.MinAttempts && float64(bad) >= b.cfg.Ratio*float64(all)
}

// trip opens the breaker.
func (b *breaker) trip(o *event.Outcome, now time.Time, because string) {
	b.mu.Lock()
	if b.current() != closed {
		b.mu.Unlock()
		return
	}
	b.phase.Store(int32(open))
	b.since, b.failures = now, 0
	b.why, b.hint = because, o.Hint
	if o.Reason != "" {
		b.why += ": " + o.Reason
	}
	b.next = now.Add(b.probeWait(o.After))
	b.mu.Unlock()
	b.wake()
}

// probeWait returns the wait until the next probe. The wait a destination
// names counts even above ProbeMax.
func (b *breaker) probeWait(asked time.Duration) time.Duration {
	bound := grow(b.cfg.ProbeFirst, b.cfg.ProbeMax, b.failures+1)
	return max(jitter(bound, bound/2), min(asked, b.limit))
}

// probeDue returns how long to wait for the next probe; zero if it is due.
func (b *breaker) probeDue(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.next.Sub(now))
}

// beginProbe lets one event through.
func (b *breaker) beginProbe() { b.phase.Store(int32(probing)) }

// abandonProbe returns to open: the probe was never sent.
func (b *breaker) abandonProbe(now time.Time) {
	b.mu.Lock()
	if b.current() == probing {
		b.phase.Store(int32(open))
		b.next = now.Add(b.probeWait(0))
	}
	b.mu.Unlock()
	b.wake()
}

// endProbe takes in the outcome of a probe and returns when the next one is
// due, zero if none is. A judgement of the event is an answer too: whoever can
// reject is up.
func (b *breaker) endProbe(o *event.Outcome, now time.Time) time.Time {
	b.mu.Lock()
	if o.Verdict == event.Delivered || o.Verdict == event.Reject {
		b.phase.Store(int32(closed))
		b.streak.Store(0)
		b.passed.Add(1)
		b.since, b.why, b.hint, b.next = now, "", "", time.Time{}
		b.window, b.turned = [2]tally{}, now
	} else {
		b.failures++
		b.phase.Store(int32(open))
		b.next = now.Add(b.probeWait(o.After))
		b.why, b.hint = "probe failed", o.Hint
		if o.Reason != "" {
			b.why += ": " + o.Reason
		}
	}
	next := b.next
	b.mu.Unlock()
	b.wake()
	return next
}

// describe fills in the part of a status that the breaker knows.
func (b *breaker) describe(s *Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Since, s.Why, s.Hint, s.NextProbe = b.since, b.why, b.hint, b.next
	if b.current() != closed {
		s.Activity = Paused
	}
}
