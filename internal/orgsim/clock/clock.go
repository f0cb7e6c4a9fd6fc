// Package clock is the time of a simulated org: real time plus an offset that can
// be moved, so that a test lives through 72 hours of retention in a millisecond
// while a person at a terminal sees time pass as usual.
//
// It owns "what time is it in the org" and every wait that depends on it. It does
// not own waits of the machinery around the org (dialling, shutting down). The
// invariant: no part of the simulator may read the time or wait for it other
// than through a [Clock], or moving the clock would leave that part behind.
package clock

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock is a movable clock. The zero value is not usable: see [New] and
// [NewManual]. Safe for concurrent use.
type Clock struct {
	manual bool

	mu      sync.Mutex
	offset  time.Duration // added to real time; unused when manual
	stopped time.Time     // the time of a manual clock
	pending map[*Timer]struct{}
}

// New returns a clock that shows real time until it is moved, and runs on from
// where it was moved to.
func New() *Clock {
	return &Clock{pending: make(map[*Timer]struct{})}
}

// NewManual returns a clock that stands still at start and moves only by
// [Clock.Advance] and [Clock.Set].
func NewManual(start time.Time) *Clock {
	return &Clock{manual: true, stopped: start, pending: make(map[*Timer]struct{})}
}

// Now returns the org's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *Clock) nowLocked() time.Time {
	if c.manual {
		return c.stopped
	}
	return time.Now().Add(c.offset)
}

// Advance moves the clock by d and fires the timers that fall due, earliest
// first, before it returns. A negative d moves it back.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.offset += d
	c.stopped = c.stopped.Add(d)
	c.moved()
}

// Set moves the clock to t, as [Clock.Advance] does.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	c.offset = time.Until(t)
	c.stopped = t
	c.moved()
}

// Pending returns the number of timers waiting. A test that moves a clock waits
// for the wait it wants to end by watching it.
func (c *Clock) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// moved re-arms what still waits and fires what is due. It is called with the
// lock held and returns without it, since a fired function may use the clock.
func (c *Clock) moved() {
	now := c.nowLocked()
	var due []*Timer
	for t := range c.pending {
		if t.deadline.After(now) {
			c.armLocked(t, now)
			continue
		}
		t.disarm()
		delete(c.pending, t)
		due = append(due, t)
	}
	c.mu.Unlock()
	slices.SortFunc(due, func(a, b *Timer) int { return a.deadline.Compare(b.deadline) })
	for _, t := range due {
		t.fire(now)
	}
}

// Sleep waits until d has passed on the clock or ctx ends, and returns ctx's
// error in the second case.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
