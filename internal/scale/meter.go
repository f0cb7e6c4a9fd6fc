package scale

import (
	"slices"
	"sync"
	"time"
)

// Count is what has happened on a route up to a moment. All but Waiting only rise.
type Count struct {
	// Accepted and Ended count events, of all processes.
	Accepted, Ended int64
	// Attempts, Failed and Work are of this process: how often it was tried, how
	// often that failed, and how long it took.
	Attempts, Failed int64
	Work             time.Duration
}

// Meter turns counts into rates, over a window. It is safe for concurrent use.
type Meter struct {
	window time.Duration

	mu    sync.Mutex // guards what follows
	taken map[string][]sample
}

type sample struct {
	at time.Time
	Count
}

// NewMeter returns a meter over a window, such as a minute.
func NewMeter(window time.Duration) *Meter {
	return &Meter{window: window, taken: map[string][]sample{}}
}

// Add notes a route's counts. A count that fell, as after an account was put right, starts anew.
func (m *Meter) Add(route string, at time.Time, c Count) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.taken[route]
	if n := len(all); n > 0 && (c.Accepted < all[n-1].Accepted || c.Ended < all[n-1].Ended || c.Attempts < all[n-1].Attempts) {
		all = nil
	}
	all = append(all, sample{at, c})
	// The newest that is older than the window stays, so that the window is full.
	drop := 0
	for drop+1 < len(all) && at.Sub(all[drop+1].at) >= m.window {
		drop++
	}
	m.taken[route] = slices.Clone(all[drop:])
}

// Rates fills in what was counted: arrivals, ends, attempts and how long an event takes.
func (m *Meter) Rates(l Load) Load {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.taken[l.Route]
	if len(all) < 2 {
		return l
	}
	first, last := all[0], all[len(all)-1]
	l.Window = last.at.Sub(first.at).Seconds()
	if l.Window <= 0 {
		return l
	}
	l.Arrivals, l.Ended = float64(last.Accepted-first.Accepted)/l.Window, float64(last.Ended-first.Ended)/l.Window
	l.Attempts, l.Failed = last.Attempts-first.Attempts, last.Failed-first.Failed
	if done := l.Attempts - l.Failed; done > 0 {
		l.Service, l.ServiceFrom = (last.Work-first.Work).Seconds()/float64(done), FromAttempts
	}
	return l
}
