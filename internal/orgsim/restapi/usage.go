package restapi

import (
	"sync"
	"time"
)

// usage counts calls over the last 24 hours of the org's time, to the minute. Safe
// for concurrent use.
type usage struct {
	now func() time.Time

	mu      sync.Mutex
	total   int64 // ever
	recent  int64 // in the window
	minutes []usedMinute
}

type usedMinute struct {
	at    time.Time
	calls int64
}

const usageWindow = 24 * time.Hour

// take counts one call unless that many have been made, and returns how many were
// with it. Zero for most means no bound.
func (u *usage) take(most int) (used int64, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.trimLocked()
	if most > 0 && u.recent >= int64(most) {
		return u.recent, false
	}
	at := u.now().Truncate(time.Minute)
	if last := len(u.minutes) - 1; last < 0 || !u.minutes[last].at.Equal(at) {
		u.minutes = append(u.minutes, usedMinute{at: at})
	}
	u.minutes[len(u.minutes)-1].calls++
	u.total++
	u.recent++
	return u.recent, true
}

func (u *usage) used() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.trimLocked()
	return u.recent
}

func (u *usage) ever() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.total
}

func (u *usage) trimLocked() {
	oldest := u.now().Add(-usageWindow)
	for len(u.minutes) > 0 && u.minutes[0].at.Before(oldest) {
		u.recent -= u.minutes[0].calls
		u.minutes = u.minutes[1:]
	}
}
