package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Redrive implements [delivery.Queue]: it goes once through the dead letters of
// the routes. Each that matches is first entered as waiting, then published to its
// route's queue, then taken from the dead letters; one that was interrupted is
// found again by the next redrive.
func (q *Queue) Redrive(ctx context.Context, f delivery.DeadFilter) (moved int, err error) {
	for _, r := range q.cfg.Routes {
		if f.Route != "" && f.Route != r.Name {
			continue
		}
		n, err := q.routes[r.Name].redrive(ctx, f.IDs, f.By)
		moved += n
		if err != nil {
			return moved, fmt.Errorf("redrive dead letters of route %s: %w", r.Name, err)
		}
	}
	return moved, nil
}

func (w *waiting) redrive(ctx context.Context, ids []string, by string) (moved int, err error) {
	dead, err := w.q.depthOf(ctx, w.names.dead)
	if err != nil || dead.Missing {
		return 0, err
	}
	_, err = w.q.deps.Consume.Take(ctx, w.names.dead, math.MaxInt, func(some []*rabbit.Delivery) ([]bool, error) {
		done := make([]bool, len(some))
		var chosen []int
		var out []rabbit.Publication
		posting := contract.Posting{Route: w.cfg.Name}
		for i, d := range some {
			h := w.buried(d)
			if len(ids) > 0 && !slices.Contains(ids, h.event.ID) {
				continue
			}
			entry := w.entry(h, delivery.Waiting, time.Time{})
			entry.Redrive, entry.By = true, by
			posting.Entries = append(posting.Entries, entry)
			chosen, out = append(chosen, i), append(out, w.revival(h))
		}
		if len(chosen) == 0 {
			return done, nil
		}
		if err := w.revive(ctx, posting, out); err != nil {
			return nil, err
		}
		for _, i := range chosen {
			done[i] = true
		}
		moved += len(chosen)
		return done, nil
	})
	return moved, err
}

// buried is a dead letter as an event that has not been tried. Its history stays
// in the register only if the next attempt fails; it is told in its headers until then.
func (w *waiting) buried(d *rabbit.Delivery) *held {
	h := &held{letter: read(w.cfg.Name, &d.Message, time.Now().UTC())}
	h.attempts, h.due = 0, time.Time{}
	return h
}

func (w *waiting) revival(h *held) rabbit.Publication {
	return rabbit.Publication{
		Exchange: w.names.exchange, Key: w.names.lanes[int(hash(h.event.Key, h.event.ID))%len(w.names.lanes)], Message: h.write(),
	}
}

// revive enters dead letters as waiting and publishes them.
func (w *waiting) revive(ctx context.Context, p contract.Posting, out []rabbit.Publication) error {
	if w.cfg.Native {
		return worst(w.q.publish(ctx, out)) // the register knows nothing of the application's dead letters
	}
	if _, err := w.q.deps.Register.Post(ctx, []contract.Posting{p}); err != nil {
		return err
	}
	return worst(w.q.publish(ctx, out))
}

// Letter is a message as shown to people.
type Letter struct {
	Queue    string
	Event    event.Event
	Accepted time.Time
	Attempts int
	// Due is when it may be tried again; zero for at once.
	Due time.Time
	// Died, Reason, Status and History tell of a dead letter.
	Died    time.Time
	Reason  string
	Status  int
	History []string
	// Handed is how often it was handed out without an end.
	Handed int64
}

// Peek shows the first messages of a route's dead letters, or of what is ready in
// its queues, and leaves them there. The broker counts each as handed out once more.
func (q *Queue) Peek(ctx context.Context, name string, dead bool, limit int) (letters []Letter, err error) {
	w, err := q.route(name)
	if err != nil {
		return nil, err
	}
	queues := w.names.lanes
	if dead {
		queues = []string{w.names.dead}
	}
	for _, queue := range queues {
		if d, err := q.depthOf(ctx, queue); err != nil || d.Missing {
			return letters, err
		}
		_, err := q.deps.Consume.Take(ctx, queue, limit-len(letters), func(some []*rabbit.Delivery) ([]bool, error) {
			for _, d := range some {
				letters = append(letters, w.show(queue, d))
			}
			return make([]bool, len(some)), nil
		})
		if err != nil {
			return nil, err
		}
	}
	return letters, nil
}

func (w *waiting) show(queue string, d *rabbit.Delivery) Letter {
	l := read(w.cfg.Name, &d.Message, time.Now().UTC())
	out := Letter{
		Queue: queue, Event: l.event, Accepted: l.accepted, Attempts: l.attempts, Due: l.due, Handed: d.Count,
		Died: instant(rabbit.Int(d.Headers, hDied)), Reason: rabbit.Text(d.Headers, hReason), Status: int(rabbit.Int(d.Headers, hStatus)),
	}
	lines, _ := d.Headers[hHistory].([]any)
	for _, line := range lines {
		if s, ok := line.(string); ok {
			out.History = append(out.History, s)
		}
	}
	return out
}

// Purge removes for good what waits on a route, or its dead letters, and says how
// much. What waited is entered as dead with that reason, so that the account still adds up; what
// other consumers hold is not reached.
func (q *Queue) Purge(ctx context.Context, name string, dead bool) (int, error) {
	w, err := q.route(name)
	if err != nil {
		return 0, err
	}
	if dead {
		if d, err := q.depthOf(ctx, w.names.dead); err != nil || d.Missing {
			return 0, err
		}
		return q.deps.Consume.Purge(ctx, w.names.dead)
	}
	total := 0
	for _, queue := range w.names.waiting() {
		d, err := q.depthOf(ctx, queue)
		if err != nil {
			return total, err
		}
		if d.Missing {
			continue
		}
		n, err := w.purge(ctx, queue, d.Ready)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (w *waiting) purge(ctx context.Context, queue string, limit int) (int, error) {
	return w.q.deps.Consume.Take(ctx, queue, limit, func(some []*rabbit.Delivery) ([]bool, error) {
		now := time.Now().UTC()
		p := contract.Posting{Route: w.cfg.Name}
		done := make([]bool, len(some))
		copies := make([]*held, len(some))
		for i, d := range some {
			h := &held{letter: read(w.cfg.Name, &d.Message, now)}
			h.history = []delivery.Attempt{{Number: h.attempts + 1, Started: now, Ended: now, Outcome: event.Outcome{
				Verdict: event.Reject, Happened: event.HappenedNo, Reason: "purged by an operator", Hint: "its payload is gone",
			}}}
			p.Entries = append(p.Entries, w.entry(h, delivery.DeadState, now))
			copies[i], done[i] = h, true
		}
		entered, err := w.post(ctx, p)
		if err != nil {
			return nil, err
		}
		for i := range copies {
			if !entered[i] {
				w.duplicates.Add(1)
			}
		}
		return done, nil
	})
}

// Declare makes sure that the queues of all routes exist as they must.
func (q *Queue) Declare(ctx context.Context) error {
	var errs []error
	for _, r := range q.cfg.Routes {
		if err := q.routes[r.Name].declare(ctx); err != nil {
			errs = append(errs, fmt.Errorf("route %s: %w", r.Name, err))
		}
	}
	return errors.Join(errs...)
}
