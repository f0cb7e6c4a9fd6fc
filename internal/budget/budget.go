package budget

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Budget shares out one org's API requests. It is safe for concurrent use.
type Budget struct {
	cfg Config

	mu       sync.Mutex // guards what follows
	most     int64      // the org's allocation; 0 while it is not known
	observed int64      // what the org said it has used
	at       time.Time  // when it said so
	granted  int64      // what was allowed since then
	seen     window     // by how much the org's use has grown
	own      [priorities]window
	refused  [priorities]int64
	spentTil time.Time // the org refuses requests until then, as far as we know
}

// New returns a budget that knows nothing of the org yet and allows everything
// until it does.
func New(cfg Config) (*Budget, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Budget{cfg: cfg}, nil
}

// Observe is told how many requests the org has used in its last 24 hours, and
// how many it may: by the header Sforce-Limit-Info of any answer, or by the limits
// resource. Figures that make no sense are ignored.
func (b *Budget) Observe(used, most int64) {
	if used < 0 || most <= 0 {
		return
	}
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most != 0 && used > b.observed {
		b.seen.add(now, used-b.observed)
	}
	b.most, b.observed, b.at, b.granted = most, used, now, 0
	if used < most {
		b.spentTil = time.Time{}
	}
}

// Exhausted is told that the org has refused a request for the day's limit.
func (b *Budget) Exhausted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spentTil = b.cfg.Now().Add(b.cfg.LongestWait)
}

// Reserve allows n requests of a priority, which then count as used. It waits for
// room as long as the patience; where that is not enough it returns a throttled
// [event.Error] that says when to ask again, and nothing is reserved.
func (b *Budget) Reserve(ctx context.Context, p Priority, n int) error {
	deadline := b.cfg.Now().Add(b.cfg.Patience)
	for {
		wait, why := b.take(p, int64(n))
		if why == nil {
			return nil
		}
		if b.cfg.Now().Add(wait).After(deadline) {
			b.mu.Lock()
			b.refused[p]++
			b.mu.Unlock()
			return &event.Error{
				Op: "reserve API requests for " + p.String(), Happened: event.HappenedNo, Healing: event.Throttled, After: wait, Err: why,
				Hint: "the org's API requests for 24 hours are nearly used up: see who uses them, raise budget.ceiling, or buy more",
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// take reserves, or says for how long there is no room and why.
func (b *Budget) take(p Priority, n int64) (time.Duration, error) {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.spentTil) {
		return b.bounded(b.spentTil.Sub(now)), errors.New("the org refuses requests: its limit for 24 hours is reached")
	}
	if b.most > 0 {
		if wait, why := b.roomLocked(now, p, n); why != nil {
			return b.bounded(wait), why
		}
	}
	b.granted += n
	b.own[p].add(now, n)
	return 0, nil
}

func (b *Budget) roomLocked(now time.Time, p Priority, n int64) (time.Duration, error) {
	used, limit := b.usedLocked(now), b.limitOf(p)
	if over := used + n - limit; over > 0 {
		wait, known := b.seen.until(now, over)
		if !known {
			wait = b.cfg.LongestWait
		}
		return wait, fmt.Errorf("the org has used %d of %d API requests, and %s stops at %d", used, b.most, p, limit)
	}
	share := b.most * int64(b.cfg.Share) / 100
	own := b.ownLocked(now)
	if over := own + n - share; over > 0 {
		return b.cfg.LongestWait, fmt.Errorf("this process has used %d API requests, its share is %d", own, share)
	}
	return 0, nil
}

// bounded keeps a wait from being none at all, or longer than is worth believing.
func (b *Budget) bounded(wait time.Duration) time.Duration {
	return min(max(wait, time.Second), b.cfg.LongestWait)
}

// usedLocked is what the org has used by now, as far as can be told: its own last
// word, what was allowed since, less what has aged out since.
func (b *Budget) usedLocked(now time.Time) int64 {
	used := b.observed + b.granted
	if now.Sub(b.at) >= day {
		used = b.granted // nothing that the word spoke of is left
	}
	return used
}

func (b *Budget) ownLocked(now time.Time) (n int64) {
	for i := range b.own {
		n += b.own[i].sum(now)
	}
	return n
}

// limitOf is up to which use of the org a priority may go on.
func (b *Budget) limitOf(p Priority) int64 {
	span := b.cfg.Ceiling - b.cfg.Floor
	percent := b.cfg.Floor*(priorities-1) + span*(priorities-1-int(p))
	return b.most * int64(percent) / int64(100*(priorities-1))
}
