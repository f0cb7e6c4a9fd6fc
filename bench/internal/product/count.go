package product

import (
	"context"
	"fmt"
	"sync/atomic"

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

// tally counts calls and the events in them.
type tally struct{ calls, events atomic.Int64 }

func (t *tally) add(events int) {
	t.calls.Add(1)
	t.events.Add(int64(events))
}

func (t *tally) mean() float64 {
	return float64(t.events.Load()) / float64(max(1, t.calls.Load()))
}

func (c *counted) Append(ctx context.Context, a subscription.Append) error {
	if err := c.Store.Append(ctx, a); err != nil {
		return err
	}
	c.appends.add(len(a.Events))
	c.total += int64(len(a.Events))
	c.stored(c.total)
	return nil
}

func (c *counted) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	claims, err := c.Store.Claim(ctx, req)
	c.claims.add(len(claims))
	return claims, err
}

func (c *counted) Settle(ctx context.Context, all []delivery.Settlement) ([]delivery.Settlement, error) {
	stale, err := c.Store.Settle(ctx, all)
	c.settles.add(len(all))
	return stale, err
}

func (c *counted) String() string {
	text := fmt.Sprintf("events a call: append %.0f", c.appends.mean())
	if c.claims.calls.Load() > 0 {
		text += fmt.Sprintf(", claim %.0f, settle %.0f", c.claims.mean(), c.settles.mean())
	}
	return text
}
