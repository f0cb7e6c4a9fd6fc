package rabbitqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Messages that are between the broker and us, or that somebody else holds, are
// in nobody's count. So nothing must have been seen for a while: a moment where the
// account says that all have ended, else as long as a connection may be dead unnoticed.
const (
	drainedAfter       = 500 * time.Millisecond
	drainedUnsureAfter = 35 * time.Second
)

// Oldest reports whether nothing of a route that waits elsewhere besides waits
// here any more, dead letters aside, and if something does, when the oldest of it
// was accepted (zero if that cannot be said yet). It is to be asked again and
// again, by one caller per route.
func (q *Queue) Oldest(ctx context.Context, name string) (empty bool, oldest time.Time, err error) {
	w, err := q.route(name)
	if err != nil {
		return false, oldest, err
	}
	level, err := w.level(ctx)
	if err != nil {
		return false, oldest, err
	}
	if level.Waiting() > 0 {
		w.drained = time.Time{}
		if level.Trouble == "" {
			oldest = level.Oldest // what is ready came later than what is held
		}
		return false, oldest, nil
	}
	empty, err = w.quiet(ctx, &level)
	return empty, oldest, err
}

// quiet reports whether nothing has been seen for long enough.
func (w *waiting) quiet(ctx context.Context, level *Level) (bool, error) {
	if w.drained.IsZero() {
		w.drained = time.Now()
	}
	a, err := w.account(ctx)
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	ours := len(w.consumers)
	w.mu.Unlock()
	quiet := time.Since(w.drained)
	if level.Consumers <= ours && a.surplus(0) >= 0 {
		return quiet >= drainedAfter, nil
	}
	if quiet >= drainedUnsureAfter {
		return true, nil
	}
	return false, &event.Error{
		Op: "see whether the queues of route " + w.cfg.Name + " are empty", Happened: event.HappenedNo, Healing: event.Transient,
		Hint: "stop other processes that consume the queue; it is taken for empty after " + drainedUnsureAfter.String() + " without a message",
		Err:  fmt.Errorf("another process may hold some (%d consumers, %d of them ours; %d events without an end)", level.Consumers, ours, -a.surplus(0)),
	}
}

// Trouble says why a route's queues are not consumed, and what to do; empty when
// they are, or when nothing has asked for their events yet.
func (q *Queue) Trouble(name string) (why, hint string) {
	w := q.routes[name]
	if w == nil {
		return "", ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.consumers {
		if err := c.Trouble(); err != nil {
			return err.Error(), event.HintOf(err)
		}
	}
	return "", ""
}
