package clock

import (
	"sync"
	"time"
)

// Timer fires once when its time has come on the clock that made it.
type Timer struct {
	// C receives the org's time when the timer fires; nil for [Clock.AfterFunc].
	C <-chan time.Time

	clock    *Clock
	c        chan time.Time
	f        func()
	deadline time.Time   // guarded by clock.mu
	real     *time.Timer // guarded by clock.mu; nil on a manual clock
}

// NewTimer returns a timer that sends on C after d.
func (c *Clock) NewTimer(d time.Duration) *Timer {
	ch := make(chan time.Time, 1)
	t := &Timer{C: ch, c: ch, clock: c}
	t.Reset(d)
	return t
}

// AfterFunc calls f after d: in its own goroutine when real time brings the
// moment, in the goroutine that moves the clock when it is moved past it.
func (c *Clock) AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{f: f, clock: c}
	t.Reset(d)
	return t
}

// Stop keeps the timer from firing and reports whether it did so: false means
// that the timer had fired or was stopped before.
func (t *Timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	_, waiting := t.clock.pending[t]
	delete(t.clock.pending, t)
	t.disarm()
	return waiting
}

// Reset stops the timer, empties its channel and starts it again with d.
func (t *Timer) Reset(d time.Duration) {
	c := t.clock
	c.mu.Lock()
	t.disarm()
	select {
	case <-t.c: // a nil channel is never ready
	default:
	}
	now := c.nowLocked()
	t.deadline = now.Add(d)
	if d <= 0 {
		delete(c.pending, t)
		c.mu.Unlock()
		t.fire(now)
		return
	}
	c.pending[t] = struct{}{}
	c.armLocked(t, now)
	c.mu.Unlock()
}

// armLocked lets real time bring the timer's moment.
func (c *Clock) armLocked(t *Timer, now time.Time) {
	if c.manual {
		return
	}
	wait := t.deadline.Sub(now)
	if t.real == nil {
		t.real = time.AfterFunc(wait, t.elapsed)
		return
	}
	t.real.Reset(wait)
}

func (t *Timer) disarm() {
	if t.real != nil {
		t.real.Stop()
	}
}

// elapsed is called by the runtime. The clock may have been moved or the timer
// stopped or reset in the meantime, so it looks again.
func (t *Timer) elapsed() {
	c := t.clock
	c.mu.Lock()
	now := c.nowLocked()
	if _, waiting := c.pending[t]; !waiting {
		c.mu.Unlock()
		return
	}
	if t.deadline.After(now) {
		c.armLocked(t, now)
		c.mu.Unlock()
		return
	}
	delete(c.pending, t)
	c.mu.Unlock()
	t.fire(now)
}

func (t *Timer) fire(now time.Time) {
	if t.f != nil {
		t.f()
		return
	}
	select {
	case t.c <- now:
	default:
	}
}

// Ticker fires again and again on the clock that made it.
type Ticker struct {
	// C receives the org's time at each tick; a slow reader misses ticks.
	C <-chan time.Time

	c       chan time.Time
	period  time.Duration
	mu      sync.Mutex // taken before the clock's
	stopped bool
	timer   *Timer
}

// NewTicker returns a ticker of period d, which must be positive. A clock moved
// by many periods at once gives one tick, as a slow reader would have seen.
func (c *Clock) NewTicker(d time.Duration) *Ticker {
	ch := make(chan time.Time, 1)
	t := &Ticker{C: ch, c: ch, period: d, timer: &Timer{clock: c}}
	t.timer.f = t.tick
	t.timer.Reset(d)
	return t
}

func (t *Ticker) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	select {
	case t.c <- t.timer.clock.Now():
	default:
	}
	t.timer.Reset(t.period)
}

// Stop ends the ticker.
func (t *Ticker) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}
