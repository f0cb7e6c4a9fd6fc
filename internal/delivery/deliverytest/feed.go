package deliverytest

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// Feed is a queue that hands out made-up events once and takes any settlement.
// It keeps nothing, so a benchmark on it measures the dispatcher.
type Feed struct {
	make func(i int) event.Event

	mu         sync.Mutex
	next, last int
}

var _ delivery.Queue = (*Feed)(nil)

// NewFeed returns a feed of n events.
func NewFeed(make func(i int) event.Event, n int) *Feed { return &Feed{make: make, last: n} }

// Claim implements [delivery.Queue].
func (f *Feed) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	f.mu.Lock()
	n := min(req.Max, f.last-f.next)
	from := f.next
	f.next += n
	f.mu.Unlock()
	if n == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	now := time.Now()
	e := f.make(from)
	claims := make([]delivery.Claimed, n)
	for i := range claims {
		claims[i] = delivery.Claimed{Event: e, Seq: int64(from + i), Attempt: 1, Token: 1, Accepted: now}
	}
	return claims, nil
}

// Settle implements [delivery.Queue].
func (f *Feed) Settle(ctx context.Context, _ []delivery.Settlement) ([]delivery.Settlement, error) {
	return nil, ctx.Err()
}

// Extend implements [delivery.Queue].
func (f *Feed) Extend(ctx context.Context, _ []delivery.Claimed, _ time.Duration) ([]delivery.Claimed, error) {
	return nil, ctx.Err()
}

// Redrive implements [delivery.Queue].
func (f *Feed) Redrive(context.Context, delivery.DeadFilter) (int, error) { return 0, nil }
