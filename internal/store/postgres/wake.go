package postgres

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// wakes lets claims wait for events of their route.
type wakes struct {
	// origin marks this store's own notifications, which it need not hear.
	origin string

	mu      sync.Mutex
	waiting map[string]chan struct{} // closed when the route may have something
	told    map[string]bool          // routes to notify other processes of
	tell    chan struct{}            // capacity 1
}

func newWakes() *wakes {
	return &wakes{origin: rand.Text()[:10], waiting: map[string]chan struct{}{}, told: map[string]bool{}, tell: make(chan struct{}, 1)}
}

// next returns a channel that is closed when the route may have something new.
func (w *wakes) next(route string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[route] == nil {
		w.waiting[route] = make(chan struct{})
	}
	return w.waiting[route]
}

// local wakes this process's claims of the route.
func (w *wakes) local(route string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.waiting[route]; ch != nil {
		close(ch)
		delete(w.waiting, route)
	}
}

// all wakes every claim of this process.
func (w *wakes) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.waiting {
		close(ch)
	}
	clear(w.waiting)
}

// everywhere wakes claims of the routes in all processes.
func (w *wakes) everywhere(routes ...string) {
	w.mu.Lock()
	for _, route := range routes {
		w.told[route] = true
	}
	w.mu.Unlock()
	for _, route := range routes {
		w.local(route)
	}
	select {
	case w.tell <- struct{}{}:
	default:
	}
}

// take returns the notifications to send.
func (w *wakes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	payloads := make([]string, 0, len(w.told))
	for route := range w.told {
		payloads = append(payloads, w.origin+text(route))
	}
	clear(w.told)
	return payloads
}

// tellPause is the least time between two notifications of a process. Under
// load a route changes with every commit, and whoever waits elsewhere is woken often
// enough; a change after a rest is told at once.
const tellPause = 10 * time.Millisecond

// tell sends notifications until ctx is done: outside the transactions that
// they tell of, because PostgreSQL lets only one notifying transaction commit at
// a time. One that gets lost is made up for by the next poll.
func (s *Store) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wakes.tell:
		}
		if err := s.pool.Notify(ctx, s.channel(), s.wakes.take()...); err != nil {
			s.cfg.Logger.Debug("notification not sent", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellPause):
		}
	}
}

// channel is the name of this schema's notifications.
func (s *Store) channel() string { return "sallyport " + pgx.Identifier{s.cfg.Schema}.Sanitize() }

// heard wakes claims for another process's notification.
func (s *Store) heard(payload string) {
	if route, own := strings.CutPrefix(payload, s.wakes.origin); !own && len(payload) >= len(s.wakes.origin) {
		s.wakes.local(untext(route[len(s.wakes.origin):]))
	}
}
