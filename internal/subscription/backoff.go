package subscription

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is an exponential wait with full jitter.
type backoff struct {
	first, limit time.Duration
	step         int
	last         time.Duration
}

func (b *backoff) reset() { b.step = 0 }

// next returns the wait after one more failure. A tenth of the first bound is
// its floor, so that a draw near zero does not turn into a tight loop.
func (b *backoff) next() time.Duration {
	bound := b.first
	for range b.step {
		if bound *= 2; bound >= b.limit {
			bound = b.limit
			break
		}
	}
	b.step++
	floor := b.first / 10
	b.last = floor + rand.N(bound-floor+1)
	return b.last
}

// sleep waits for d and reports whether it did so in full.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
