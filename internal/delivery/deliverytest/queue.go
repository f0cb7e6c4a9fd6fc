// Package deliverytest is a queue in memory that keeps the whole contract of
// [delivery.Queue]: lanes, leases, fencing, redelivery. It is for tests of the
// engine; nothing in it is durable. The invariant a stranger would break: it
// takes time from the time package alone, so that it obeys testing/synctest.
package deliverytest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// Item is an event in the queue.
type Item struct {
	Claimed    delivery.Claimed
	State      delivery.State
	Attempts   int // counted
	Starts     int // claims, counted or not
	Due        time.Time
	LeaseEnds  time.Time
	Last       event.Outcome
	Redelivery int
}

// Queue is a queue in memory.
type Queue struct {
	// SettleTime is how long a settlement takes, like a commit to a disk.
	SettleTime time.Duration

	mu      sync.Mutex
	items   []*Item
	changed chan struct{}
	token   int64
	fail    error
	settles int
}

var _ delivery.Queue = (*Queue)(nil)

// New returns an empty queue.
func New() *Queue { return &Queue{changed: make(chan struct{})} }

// Add accepts events.
func (q *Queue) Add(events ...event.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addLocked(events)
	q.wakeLocked()
}

func (q *Queue) addLocked(events []event.Event) {
	for _, e := range events {
		q.items = append(q.items, &Item{
			Claimed: delivery.Claimed{
				Event: e, Seq: int64(len(q.items) + 1), Lane: delivery.LaneOf(e), Accepted: time.Now(),
			},
			State: delivery.Waiting,
		})
	}
}

// Fail makes every call fail with err until it is called with nil.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fail = err
	q.wakeLocked()
}

// Items returns copies of all events, in order of acceptance.
func (q *Queue) Items() []Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expireLocked(time.Now())
	items := make([]Item, len(q.items))
	for i, it := range q.items {
		items[i] = *it
	}
	return items
}

// Count returns how many events are in a state.
func (q *Queue) Count(state delivery.State) (n int) {
	for _, it := range q.Items() {
		if it.State == state {
			n++
		}
	}
	return n
}

// Settles returns how many calls of Settle succeeded.
func (q *Queue) Settles() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.settles
}

// Await blocks until ok holds of the queue or ctx is done.
func (q *Queue) Await(ctx context.Context, ok func(*Queue) bool) error {
	for {
		q.mu.Lock()
		changed := q.changed
		q.mu.Unlock()
		if ok(q) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Claim implements [delivery.Queue].
func (q *Queue) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	if req.Max < 1 || req.Run < 1 {
		return nil, errors.New("claim events: max and run must be at least 1")
	}
	for {
		q.mu.Lock()
		if q.fail != nil {
			defer q.mu.Unlock()
			return nil, q.fail
		}
		now := time.Now()
		q.expireLocked(now)
		if claims := q.claimLocked(req, now); len(claims) > 0 {
			defer q.mu.Unlock()
			return claims, nil
		}
		changed, next := q.changed, q.nextLocked(now)
		q.mu.Unlock()
		var due <-chan time.Time
		if next > 0 {
			due = time.After(next)
		}
		select {
		case <-changed:
		case <-due:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// claimLocked hands out what is due. On an ordered route a lane is shut from
// its first event on that is not to be had, and after a full run.
func (q *Queue) claimLocked(req delivery.ClaimRequest, now time.Time) (claims []delivery.Claimed) {
	var shut [delivery.Lanes]bool
	var runs [delivery.Lanes]int
	for _, it := range q.items {
		lane := it.Claimed.Lane
		if it.Claimed.Event.Route != req.Route || it.State == delivery.Delivered || it.State == delivery.DeadState {
			continue
		}
		if it.State != delivery.Waiting || it.Due.After(now) {
			shut[lane] = true
		}
		if it.State != delivery.Waiting || it.Due.After(now) || req.Ordered && (shut[lane] || runs[lane] >= req.Run) {
			continue
		}
		if len(claims) == req.Max {
			break
		}
		runs[lane]++
		claims = append(claims, q.startLocked(it, now.Add(req.Lease)))
	}
	if len(claims) > 0 {
		q.wakeLocked()
	}
	return claims
}

func (q *Queue) startLocked(it *Item, until time.Time) delivery.Claimed {
	q.token++
	it.State, it.LeaseEnds = delivery.InFlight, until
	it.Attempts++
	it.Starts++
	it.Claimed.Attempt, it.Claimed.Token = it.Attempts, q.token
	if it.Claimed.Redelivery {
		it.Redelivery++
	}
	return it.Claimed
}

// Settle implements [delivery.Queue].
func (q *Queue) Settle(ctx context.Context, settlements []delivery.Settlement) (stale []delivery.Settlement, err error) {
	if q.SettleTime > 0 {
		time.Sleep(q.SettleTime)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := errors.Join(q.fail, ctx.Err()); err != nil {
		return nil, err
	}
	q.settles++
	for _, s := range settlements {
		it := q.items[s.Seq-1]
		if it.Claimed.Token != s.Token || it.State == delivery.Delivered || it.State == delivery.DeadState {
			stale = append(stale, s)
			continue
		}
		q.endLocked(it, s)
		q.addLocked(s.Follow)
	}
	q.wakeLocked()
	return stale, nil
}

func (q *Queue) endLocked(it *Item, s delivery.Settlement) {
	it.Claimed.Redelivery = false
	it.State, it.Due = delivery.Waiting, s.Due
	switch s.Do {
	case delivery.Done:
		it.State = delivery.Delivered
	case delivery.Dead:
		it.State, it.Last = delivery.DeadState, s.Outcome
	case delivery.Again:
		it.Last = s.Outcome
	case delivery.Release:
		it.Attempts--
		it.Last = s.Outcome
	}
}

// Extend implements [delivery.Queue].
func (q *Queue) Extend(ctx context.Context, claims []delivery.Claimed, lease time.Duration) (lost []delivery.Claimed, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := errors.Join(q.fail, ctx.Err()); err != nil {
		return nil, err
	}
	now := time.Now()
	q.expireLocked(now)
	for _, c := range claims {
		it := q.items[c.Seq-1]
		if it.Claimed.Token != c.Token || it.State != delivery.InFlight {
			lost = append(lost, c)
			continue
		}
		it.LeaseEnds = now.Add(lease)
	}
	return lost, nil
}

// Redrive implements [delivery.Queue].
func (q *Queue) Redrive(_ context.Context, f delivery.DeadFilter) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := map[string]bool{}
	for _, id := range f.IDs {
		ids[id] = true
	}
	n := 0
	for _, it := range q.items {
		e := it.Claimed.Event
		if it.State == delivery.DeadState && (f.Route == "" || f.Route == e.Route) && (len(ids) == 0 || ids[e.ID]) {
			it.State, it.Attempts, it.Due = delivery.Waiting, 0, time.Time{}
			n++
		}
	}
	q.wakeLocked()
	return n, nil
}

// expireLocked returns claims whose lease is over to waiting.
func (q *Queue) expireLocked(now time.Time) {
	for _, it := range q.items {
		if it.State == delivery.InFlight && !it.LeaseEnds.After(now) {
			it.State, it.Due, it.Claimed.Redelivery = delivery.Waiting, time.Time{}, true
		}
	}
}

// nextLocked returns the wait until an event becomes due or a lease ends; 0 if
// neither will happen.
func (q *Queue) nextLocked(now time.Time) (next time.Duration) {
	for _, it := range q.items {
		at := it.Due
		if it.State == delivery.InFlight {
			at = it.LeaseEnds
		} else if it.State != delivery.Waiting {
			continue
		}
		if d := at.Sub(now); d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	return next
}

func (q *Queue) wakeLocked() {
	close(q.changed)
	q.changed = make(chan struct{})
}
