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

	mu       sync.Mutex            // guards what follows
	known    map[string]*allowance // by name; that of API requests is always there
	api      *allowance
	granted  grants
	account  tally // of all processes
	mine     [priorities]window
	spentTil time.Time       // the org refuses requests until then, as far as we know
	trouble  [troubles]error // nil while well
	booked   time.Time       // when the book was last read; zero before
}

// New returns a budget that knows nothing of the org yet and allows everything
// until it does. A [Keeper] joins it to what other processes know.
func New(cfg Config) (*Budget, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Budget{cfg: cfg, api: &allowance{}, account: tally{}}
	b.known = map[string]*allowance{apiRequests: b.api}
	return b, nil
}

// Observe is told how many requests the org has used in its last 24 hours, and
// how many it may: by the header Sforce-Limit-Info of any answer, or by the limits
// resource. Figures that make no sense are ignored.
func (b *Budget) Observe(used, most int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.observeLocked(Reading{Name: apiRequests, At: b.instant(), Used: used, Max: most})
}

// Limit is one allowance in the words of the limits resource.
type Limit struct{ Max, Remaining int64 }

// ObserveLimits is told what the limits resource says.
func (b *Budget) ObserveLimits(limits map[string]Limit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, l := range limits {
		b.observeLocked(Reading{Name: name, At: b.instant(), Used: max(l.Max-l.Remaining, 0), Max: l.Max})
	}
}

func (b *Budget) observeLocked(r Reading) {
	if !b.readLocked(r) {
		return
	}
	b.known[r.Name].unposted = true
	if r.Name == apiRequests {
		b.granted.clear()
		if r.Used < r.Max {
			b.spentTil = time.Time{}
		}
	}
}

// instant is the time, as finely as every store keeps it.
func (b *Budget) instant() time.Time { return b.cfg.Now().UTC().Truncate(time.Microsecond) }

// Exhausted is told that the org has refused a request for the day's limit. Until
// the first of what is used falls out of the 24 hours, as far as that is known,
// nothing is allowed.
func (b *Budget) Exhausted() {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	wait, known := b.api.seen.until(now, 1)
	if !known {
		wait = b.cfg.LongestWait
	}
	b.spentTil = now.Add(b.bounded(wait))
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
			b.refuse(p)
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

func (b *Budget) refuse(p Priority) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.account.refuse(p, b.cfg.Now())
}

// charge counts n requests without asking for room; false, and nothing is counted,
// while the org itself refuses.
func (b *Budget) charge(p Priority, n int64) bool {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.spentTil) {
		return false
	}
	b.grantLocked(now, p, n)
	return true
}

func (b *Budget) grantLocked(now time.Time, p Priority, n int64) {
	b.granted.add(now, n)
	b.mine[p].add(now, n)
	b.account.use(p, now, n)
}

// take reserves, or says for how long there is no room and why.
func (b *Budget) take(p Priority, n int64) (time.Duration, error) {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.spentTil) {
		return b.bounded(b.spentTil.Sub(now)), errors.New("the org refuses requests: its limit for 24 hours is reached")
	}
	if b.api.last.Max > 0 {
		if wait, why := b.roomLocked(now, p, n); why != nil {
			return b.bounded(wait), why
		}
	}
	b.grantLocked(now, p, n)
	return 0, nil
}

func (b *Budget) roomLocked(now time.Time, p Priority, n int64) (time.Duration, error) {
	used, limit, most := b.usedLocked(now), b.limitOf(p), b.api.last.Max
	if over := used + n - limit; over > 0 {
		wait, known := b.api.seen.until(now, over)
		if !known {
			wait = b.cfg.LongestWait
		}
		return wait, fmt.Errorf("the org has used %d of %d API requests, and %s stops at %d", used, most, p, limit)
	}
	share := most * int64(b.cfg.Share) / 100
	own := b.ownLocked(now)
	if over := own + n - share; over > 0 {
		return b.cfg.LongestWait, fmt.Errorf("the gateway has used %d API requests, its share is %d", own, share)
	}
	return 0, nil
}

// bounded keeps a wait from being none at all, or longer than is worth believing.
func (b *Budget) bounded(wait time.Duration) time.Duration {
	return min(max(wait, time.Second), b.cfg.LongestWait)
}

// usedLocked is what the org has used by now, as far as can be told: its own last
// word less what has aged out since, and what was allowed since.
func (b *Budget) usedLocked(now time.Time) int64 { return b.api.used(now) + b.granted.sum }

// ownLocked is what all our processes have used in 24 hours.
func (b *Budget) ownLocked(now time.Time) (n int64) {
	used, _ := b.account.sums(now)
	for _, u := range used {
		n += u
	}
	return n
}

// limitOf is up to which use of the org a priority may go on.
func (b *Budget) limitOf(p Priority) int64 {
	span := b.cfg.Ceiling - b.cfg.Floor
	percent := b.cfg.Floor*(priorities-1) + span*(priorities-1-int(p))
	return b.api.last.Max * int64(percent) / int64(100*(priorities-1))
}
