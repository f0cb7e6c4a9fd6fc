package callout

import (
	"context"
	"sync"
	"time"
)

// limiter bounds how many callouts the application has in hand. The bound
// adapts to what the application bears, by additive increase and multiplicative decrease:
// while it answers, one more per round of answers, up to the most; when it does not
// (no answer in time, 429, 502, 503, 504) a quarter less, once per round.
//
// The signal is failure and not latency on purpose. A callout that takes 25 s
// where others take 50 ms is ordinary work for an integration, and its caller waits for
// it; shedding load because of it would turn a slow answer into none.
type limiter struct {
	most, least float64
	now         func() time.Time

	mu      sync.Mutex // guards what follows
	limit   float64
	held    int
	waiting []*ticket // in order of arrival
	shrunk  time.Time // when the limit was last lowered
}

// ticket is a caller that waits for its turn.
type ticket struct{ turn chan struct{} }

// newLimiter begins at the most: the first callers after a start must not be
// refused to learn what the application bears.
func newLimiter(most int) *limiter {
	return &limiter{most: float64(most), least: min(4, float64(most)), limit: float64(most), now: time.Now}
}

// acquire takes a place, waiting for one no longer than patience and never
// behind more callers than there are places. It reports whether there was one.
func (l *limiter) acquire(ctx context.Context, patience time.Duration) bool {
	l.mu.Lock()
	if l.held < int(l.limit) {
		l.held++
		l.mu.Unlock()
		return true
	}
	if patience <= 0 || len(l.waiting) >= int(l.limit) {
		l.mu.Unlock()
		return false
	}
	t := &ticket{turn: make(chan struct{})}
	l.waiting = append(l.waiting, t)
	l.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-t.turn:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return l.leave(t)
}

// leave gives up a ticket; it may have got its turn meanwhile.
func (l *limiter) leave(t *ticket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.waiting {
		if other == t {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return false
		}
	}
	return true
}

// load is what the end of a callout says of how much the application bears.
type load int

const (
	unsaid load = iota // nothing: it was not asked, or it is not there at all
	borne
	tooMuch
)

// release gives back a place that was taken at began.
func (l *limiter) release(said load, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case said == tooMuch && began.After(l.shrunk):
		// One round of failures lowers the limit once: those that began before it
		// was lowered say nothing about the new one.
		l.limit, l.shrunk = max(l.least, l.limit*3/4), l.now()
	case said == borne && float64(l.held) > l.limit/2:
		l.limit = min(l.most, l.limit+1/l.limit)
	}
	l.held--
	for l.held < int(l.limit) && len(l.waiting) > 0 {
		t := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.held++
		close(t.turn)
	}
}

// state returns the places taken and the bound in force.
func (l *limiter) state() (held, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, int(l.limit)
}
