package page

import (
	"context"
	"sync"
	"time"
)

// defaultKept is how many requests a log keeps.
const defaultKept = 1000

// Request is one request as the log keeps it.
type Request struct {
	// Seq counts the org's requests from 1 on; holes are what the log has forgotten.
	Seq int64 `json:"seq"`
	// Time is when it came, on the org's clock.
	Time time.Time `json:"time"`
	// Client is the software, as it names itself, and App the connected app whose
	// session it has; either may be empty.
	Client string `json:"client,omitempty"`
	App    string `json:"app,omitempty"`
	Method string `json:"method"`
	Path   string `json:"path"`
	// Query is the SOQL statement of a query, its literals replaced by '?'.
	Query  string `json:"query,omitempty"`
	Status string `json:"status"` // "200", or a gRPC code
	Failed bool   `json:"failed,omitempty"`
	// Micros is how long the answer took in real time, in microseconds.
	Micros int64 `json:"micros"`
	// Family is the API: REST, Composite, Bulk 2.0, OAuth, CometD, Pub/Sub, ...
	Family string `json:"family"`
}

// Log keeps the latest requests. Safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	ring   []Request
	last   int64
	more   chan struct{} // closed and replaced when a request comes
	closed bool
}

// NewLog returns a log that keeps so many requests; 1000 if kept is 0.
func NewLog(kept int) *Log {
	if kept <= 0 {
		kept = defaultKept
	}
	return &Log{ring: make([]Request, kept), more: make(chan struct{})}
}

// Add keeps a request and numbers it.
func (l *Log) Add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	r.Seq = l.last
	l.ring[(l.last-1)%int64(len(l.ring))] = r
	if !l.closed {
		close(l.more)
		l.more = make(chan struct{})
	}
}

// After returns the kept requests with a number above seq, oldest first, at most
// limit of them, the newest if there are more. A limit of 0 is none.
func (l *Log) After(seq int64, limit int) []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.afterLocked(seq, limit)
}

func (l *Log) afterLocked(seq int64, limit int) []Request {
	first := max(seq, l.last-int64(len(l.ring)), 0)
	if limit > 0 {
		first = max(first, l.last-int64(limit))
	}
	found := make([]Request, 0, max(l.last-first, 0))
	for n := first; n < l.last; n++ {
		found = append(found, l.ring[n%int64(len(l.ring))])
	}
	return found
}

// Wait is [Log.After] without a limit that waits for the first request. It returns
// none when ctx ends or the log is closed.
func (l *Log) Wait(ctx context.Context, seq int64) []Request {
	for {
		l.mu.Lock()
		found, more, closed := l.afterLocked(seq, 0), l.more, l.closed
		l.mu.Unlock()
		if len(found) > 0 || closed {
			return found
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}

// Close ends every wait. What is kept can still be read.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.more)
	}
}

// Clean makes the texts that a client chose safe to keep and to print.
func (r Request) Clean() Request {
	r.Client, r.App, r.Method, r.Path, r.Query = clip(r.Client), clip(r.App), clip(r.Method), clip(r.Path), clip(r.Query)
	return r
}
