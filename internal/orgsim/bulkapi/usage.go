package bulkapi

import (
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
)

// usage counts what the allocations are of.
type usage struct {
	batches, records, queryJobs, queryBytes *window
}

func newUsage(c *clock.Clock) usage {
	return usage{batches: &window{clock: c}, records: &window{clock: c}, queryJobs: &window{clock: c}, queryBytes: &window{clock: c}}
}

// window sums what was added in the last 24 hours of the org's time, to the
// minute. Safe for concurrent use.
type window struct {
	clock *clock.Clock

	mu      sync.Mutex
	minutes []minute // in order of time
}

type minute struct {
	at    time.Time
	count int64
}

const windowLength = 24 * time.Hour

func (w *window) add(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trimLocked()
	at := w.clock.Now().Truncate(time.Minute)
	if last := len(w.minutes) - 1; last >= 0 && w.minutes[last].at.Equal(at) {
		w.minutes[last].count += n
		return
	}
	w.minutes = append(w.minutes, minute{at, n})
}

func (w *window) sum() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trimLocked()
	var total int64
	for _, m := range w.minutes {
		total += m.count
	}
	return total
}

func (w *window) trimLocked() {
	oldest := w.clock.Now().Add(-windowLength)
	for len(w.minutes) > 0 && w.minutes[0].at.Before(oldest) {
		w.minutes = w.minutes[1:]
	}
}
