// Package subscriptiontest holds a journal and leases in memory and a source
// that retains what was published, for tests of the engine. They keep the whole
// contract, fencing included; nothing is durable. The invariant a stranger would
// break: they take time from the time package alone, so that they obey
// testing/synctest.
package subscriptiontest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Journal is a journal with leases in memory.
type Journal struct {
	mu          sync.Mutex
	checkpoints map[string]subscription.Checkpoint
	events      []event.Event
	filtered    map[string]int64
	duplicates  map[string]int64
	gaps        []subscription.Gap
	appends     []subscription.Append
	leases      map[string]subscription.Lease
	fences      map[string]int64
	fail        error
	loseAnswers int
	gate        chan struct{}
	namesakes   bool
}

var (
	_ subscription.Journal = (*Journal)(nil)
	_ subscription.Leases  = (*Journal)(nil)
)

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	return &Journal{
		checkpoints: map[string]subscription.Checkpoint{}, filtered: map[string]int64{}, duplicates: map[string]int64{},
		leases: map[string]subscription.Lease{}, fences: map[string]int64{},
	}
}

// Fail makes every call fail with err until it is called with nil.
func (j *Journal) Fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = err
}

// LoseAnswers makes the next n appends commit and then fail, as a store does
// whose connection breaks during the commit.
func (j *Journal) LoseAnswers(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.loseAnswers = n
}

// Hold makes appends wait until the returned function is called.
func (j *Journal) Hold() (release func()) {
	gate := make(chan struct{})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gate = gate
	return func() { close(gate) }
}

// Seed sets what is known of a subscription.
func (j *Journal) Seed(name string, cp subscription.Checkpoint) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.checkpoints[name] = cp
}

// Events returns the ids accepted for a route, in order.
func (j *Journal) Events(route string) (ids []string) {
	for _, e := range j.All() {
		if e.Route == route {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// All returns every accepted event, in order.
func (j *Journal) All() []event.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// Appends returns the appends that took effect.
func (j *Journal) Appends() []subscription.Append {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.appends)
}

// Counts returns the filtered and duplicate events by route.
func (j *Journal) Counts() (filtered, duplicates map[string]int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.filtered), maps.Clone(j.duplicates)
}

// Append implements [subscription.Journal].
func (j *Journal) Append(ctx context.Context, a subscription.Append) error {
	j.mu.Lock()
	gate := j.gate
	j.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := errors.Join(j.fail, ctx.Err()); err != nil {
		return err
	}
	if a.Fence != j.fences[a.Subscription] {
		return subscription.ErrFenced
	}
	j.applyLocked(a)
	if j.loseAnswers > 0 {
		j.loseAnswers--
		return errors.New("connection lost during commit")
	}
	return nil
}

func (j *Journal) applyLocked(a subscription.Append) {
	j.events = append(j.events, a.Events...)
	j.appends = append(j.appends, a)
	cp := j.checkpoints[a.Subscription]
	if a.Position != nil {
		cp.Position, cp.Moved = slices.Clone(a.Position), time.Now()
	}
	if !a.EventTime.IsZero() {
		cp.EventTime = a.EventTime
	}
	j.checkpoints[a.Subscription] = cp
	for r, n := range a.Filtered {
		j.filtered[r] += n
	}
	for r, n := range a.Duplicates {
		j.duplicates[r] += n
	}
	if g := a.Gap; g != nil && !j.gaps[g.Number-1].State.Ended() {
		j.gaps[g.Number-1] = *g
	}
}

// Checkpoint implements [subscription.Journal].
func (j *Journal) Checkpoint(_ context.Context, name string) (subscription.Checkpoint, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.checkpoints[name], j.fail
}

// RecentIDs implements [subscription.Journal].
func (j *Journal) RecentIDs(_ context.Context, route string, limit int) ([]string, error) {
	ids := j.Events(route)
	j.mu.Lock()
	defer j.mu.Unlock()
	return ids[max(0, len(ids)-limit):], j.fail
}

// OpenGap implements [subscription.Journal].
func (j *Journal) OpenGap(_ context.Context, g subscription.Gap) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return 0, j.fail
	}
	g.Number = int64(len(j.gaps) + 1)
	j.gaps = append(j.gaps, g)
	return g.Number, nil
}

// UpdateGap implements [subscription.Journal].
func (j *Journal) UpdateGap(_ context.Context, g subscription.Gap) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	j.gaps[g.Number-1] = g
	return nil
}

// Gaps implements [subscription.Journal].
func (j *Journal) Gaps(_ context.Context, name string) ([]subscription.Gap, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []subscription.Gap
	for _, g := range slices.Backward(j.gaps) {
		if name == "" || g.Subscription == name {
			found = append(found, g)
		}
	}
	return found, j.fail
}

// Acquire implements [subscription.Leases].
func (j *Journal) Acquire(_ context.Context, name, holder string, ttl time.Duration) (subscription.Lease, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return subscription.Lease{}, false, j.fail
	}
	l, now := j.leases[name], time.Now()
	if l.Holder != "" && l.Holder != holder && l.Until.After(now) {
		return subscription.Lease{Name: name, Holder: l.Holder, Until: l.Until}, false, nil
	}
	if l.Holder != holder || !l.Until.After(now) || j.namesakes {
		j.fences[name]++
	}
	l = subscription.Lease{Name: name, Holder: holder, Fence: j.fences[name], Until: now.Add(ttl)}
	j.leases[name] = l
	return l, true, nil
}

// Renew implements [subscription.Leases].
func (j *Journal) Renew(_ context.Context, l subscription.Lease, ttl time.Duration) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	if j.fences[l.Name] != l.Fence {
		return subscription.ErrFenced
	}
	l.Until = time.Now().Add(ttl)
	j.leases[l.Name] = l
	return nil
}

// Release implements [subscription.Leases].
func (j *Journal) Release(_ context.Context, l subscription.Lease) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	if j.fences[l.Name] == l.Fence {
		delete(j.leases, l.Name)
	}
	return nil
}

// Steal ends a lease as if its time had run out unnoticed by the holder.
func (j *Journal) Steal(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.leases, name)
	j.fences[name]++
}

// FenceNamesakes makes every acquisition a change of holder, also one by the
// holder itself, as stores do that cannot tell a process from its namesake.
func (j *Journal) FenceNamesakes() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.namesakes = true
}
