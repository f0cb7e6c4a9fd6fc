package conduct

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
)

// recorder is the application at the end of a deploy run: it says yes to every
// event and knows when each was published and when it came. Safe for concurrent use.
type recorder struct {
	server *http.Server
	url    string

	mu        sync.Mutex // guards below
	published []time.Time
	came      []time.Time // the zero time for events that have not come
	order     []time.Time // all arrivals
	distinct  int64
	twice     int64
	bad       int64
}

func newRecorder() (*recorder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &recorder{url: "http://" + l.Addr().String() + "/events"}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

func (r *recorder) close() { _ = r.server.Close() }

// ServeHTTP takes one event.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return // the sender is gone
	}
	n, ok := backlog.NumberOf(req.Header.Get("Ce-Id"))
	r.mu.Lock()
	r.take(n, ok, time.Now())
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (r *recorder) take(n uint64, ok bool, now time.Time) {
	switch {
	case !ok || n >= uint64(len(r.published)):
		r.bad++
	case !r.came[n].IsZero():
		r.twice++
	default:
		r.came[n] = now
		r.distinct++
	}
	r.order = append(r.order, now)
}

// publishing notes that n more events are being published, and returns the first's number.
func (r *recorder) publishing(n int) (first int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = len(r.published)
	for now := time.Now(); n > 0; n-- {
		r.published, r.came = append(r.published, now), append(r.came, time.Time{})
	}
	return first
}

func (r *recorder) publishedCount() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(len(r.published))
}

// wait waits until so many different events have come, at most for limit.
func (r *recorder) wait(ctx context.Context, n int64, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		r.mu.Lock()
		all := r.distinct >= n
		r.mu.Unlock()
		if all {
			return
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// count returns how many published events never came, how many arrivals were of an
// event that had come, and how many were of none that was published.
func (r *recorder) count() (lost, twice, bad int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(len(r.published)) - r.distinct, r.twice, r.bad
}

// longestGap is the longest time without an arrival between two times.
func (r *recorder) longestGap(from, until time.Time) (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := from
	for _, at := range r.order {
		if at.Before(from) {
			continue
		}
		if at.After(until) {
			break
		}
		longest, last = max(longest, at.Sub(last)), at
	}
	return max(longest, until.Sub(last))
}

// latencies are the times from publishing to arrival of what was published between
// two times, apart for what was published near a deploy.
func (r *recorder) latencies(from, until time.Time, isNear func(time.Time) bool) (near, far []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, at := range r.published {
		if at.Before(from) || at.After(until) || r.came[i].IsZero() {
			continue
		}
		if took := r.came[i].Sub(at); isNear(at) {
			near = append(near, took)
		} else {
			far = append(far, took)
		}
	}
	return near, far
}
