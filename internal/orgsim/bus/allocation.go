package bus

import (
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
)

// ErrDeliveryLimit says that the org's allocation of delivered events is used up.
var ErrDeliveryLimit = errors.New("event delivery allocation is used up")

// ErrPublishLimit says that the org's allocation of published events is used up.
// It is the refusal that REST gives.
var ErrPublishLimit = refuse("LIMIT_EXCEEDED", nil, "The hourly allocation of published platform events is used up.")

// Allocation is how much of something an org has, and what is left.
type Allocation struct {
	Max       int `json:"Max"`
	Remaining int `json:"Remaining"`
}

// The allocations that an org's limits show when the simulator was given none.
const (
	shownDelivered = 25_000
	shownPublished = 250_000
)

// Delivered asks leave to deliver n events to one subscriber, and counts them.
// Every copy counts. Only events of the event bus proper do: PushTopics and
// generic channels have allocations of their own, which are not enforced.
func (b *Bus) Delivered(n int) error {
	if !b.usage.delivered.take(n, b.cfg.DailyDelivered) {
		return ErrDeliveryLimit
	}
	return nil
}

// published asks leave to put n platform events on the bus, and counts them.
func (b *Bus) published(n int) error {
	if !b.usage.published.take(n, b.cfg.HourlyPublished) {
		return ErrPublishLimit
	}
	return nil
}

// Allocations returns the org's event allocations by their names in /limits.
func (b *Bus) Allocations() map[string]Allocation {
	left := func(m *meter, limit, shown int) Allocation {
		if limit == 0 {
			limit = shown
		}
		return Allocation{Max: limit, Remaining: max(0, limit-m.used())}
	}
	return map[string]Allocation{
		"DailyDeliveredPlatformEvents":  left(b.usage.delivered, b.cfg.DailyDelivered, shownDelivered),
		"HourlyPublishedPlatformEvents": left(b.usage.published, b.cfg.HourlyPublished, shownPublished),
	}
}

// ResetAllocations gives the org its full allocations back.
func (b *Bus) ResetAllocations() {
	b.usage.delivered.reset()
	b.usage.published.reset()
}

type usage struct{ delivered, published *meter }

func newUsage(c *clock.Clock) usage {
	return usage{delivered: newMeter(c, 24*time.Hour), published: newMeter(c, time.Hour)}
}

// meterSlots is how finely a meter remembers when something was used.
const meterSlots = 24

// meter counts what was used within a window that moves with the org's clock.
type meter struct {
	clock *clock.Clock
	slot  time.Duration

	mu    sync.Mutex
	at    [meterSlots]int64 // number of the slot since the epoch
	count [meterSlots]int
}

func newMeter(c *clock.Clock, window time.Duration) *meter {
	return &meter{clock: c, slot: window / meterSlots}
}

// take counts n if no more than limit are then in the window; limit 0 is no limit.
func (m *meter) take(n, limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.Now().UnixNano() / int64(m.slot)
	if limit > 0 && m.usedLocked(now)+n > limit {
		return false
	}
	i := now % meterSlots
	if m.at[i] != now {
		m.at[i], m.count[i] = now, 0
	}
	m.count[i] += n
	return true
}

func (m *meter) used() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usedLocked(m.clock.Now().UnixNano() / int64(m.slot))
}

func (m *meter) usedLocked(now int64) int {
	sum := 0
	for i, at := range m.at {
		if at > now-meterSlots && at <= now {
			sum += m.count[i]
		}
	}
	return sum
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at, m.count = [meterSlots]int64{}, [meterSlots]int{}
}
