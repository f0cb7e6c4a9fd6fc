package product

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// counted tells how many events are durable, and counts what the engines ask of
// the store: how many events share a call decides much of the cost.
type counted struct {
	store.Store
	stored func(total int64)
	total  int64 // appends of one subscription come one after another

	appends, claims, settles tally
}

// tally counts calls, the events in them and the time they took.
type tally struct{ calls, events, took atomic.Int64 }

func (t *tally) add(events int, began time.Time) {
	t.calls.Add(1)
	t.events.Add(int64(events))
	t.took.Add(int64(time.Since(began)))
}

func (t *tally) String() string {
	calls := float64(max(1, t.calls.Load()))
	return fmt.Sprintf("%.0f in %.1f ms", float64(t.events.Load())/calls, float64(t.took.Load())/calls/1e6)
}

func (c *counted) Append(ctx context.Context, a subscription.Append) error {
	began := time.Now()
	if err := c.Store.Append(ctx, a); err != nil {
		return err
	}
	c.appends.add(len(a.Events), began)
	c.total += int64(len(a.Events))
	c.stored(c.total)
	return nil
}

func (c *counted) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	began := time.Now()
	claims, err := c.Store.Claim(ctx, req)
	c.claims.add(len(claims), began)
	return claims, err
}

func (c *counted) Settle(ctx context.Context, all []delivery.Settlement) ([]delivery.Settlement, error) {
	began := time.Now()
	stale, err := c.Store.Settle(ctx, all)
	c.settles.add(len(all), began)
	return stale, err
}

func (c *counted) String() string {
	text := "events a call: append " + c.appends.String()
	if c.claims.calls.Load() > 0 {
		text += ", claim " + c.claims.String() + ", settle " + c.settles.String()
	}
	return text
}
