package apex

import (
	"sync"
	"time"
)

// longRunning is from when on a synchronous transaction counts as long, time in
// callouts left out.
const longRunning = 5 * time.Second

// meter measures how long a transaction has been busy. Safe for concurrent use.
type meter struct {
	mu      sync.Mutex
	began   time.Time
	outside time.Duration // in callouts that are over
	since   time.Time     // when the callout under way began
}

func newMeter(now time.Time) *meter { return &meter{began: now} }

func (m *meter) calling(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = now
}

func (m *meter) called(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outside += took
	m.since = time.Time{}
}

func (m *meter) busy(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	outside := m.outside
	if !m.since.IsZero() {
		outside += now.Sub(m.since)
	}
	return now.Sub(m.began) - outside
}
