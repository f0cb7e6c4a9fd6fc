package rabbitqueue

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// waiting is one route's share of the queue.
type waiting struct {
	q     *Queue
	cfg   RouteConfig
	names names
	room  *room
	log   *slog.Logger
	known acceptedIDs

	// What is to be entered in the register with the next posting.
	confirmed, duplicates, redelivered atomic.Int64

	accepted acceptances

	declared atomic.Bool // the topology exists as far as we know
	gauge    gauge
	drained  time.Time // since when nothing has been seen, for the caller of Oldest

	mu        sync.Mutex // guards what follows
	consumers []*rabbit.Consumer
	wg        sync.WaitGroup
	stopped   bool
	untouched map[string]int64 // by copy: handed out so often without an attempt of ours
}

func newWaiting(q *Queue, r RouteConfig) *waiting {
	return &waiting{
		q: q, cfg: r, names: namesOf(q.cfg.Prefix, r), room: newRoom(r.Ordered),
		log: q.log.With("route", r.Name), untouched: map[string]int64{},
	}
}

// start consumes the route's queues, from its first call on.
func (w *waiting) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || len(w.consumers) > 0 {
		return
	}
	for i, queue := range w.names.lanes {
		c := rabbit.NewConsumer(w.q.deps.Consume, rabbit.ConsumerConfig{
			Queue: queue, Tag: fmt.Sprintf("%s %s %d %s", w.q.cfg.Owner, w.cfg.Name, i, w.q.mint.instance),
			Prefetch: max(w.cfg.Prefetch/len(w.names.lanes), 1), Ready: w.declare,
		})
		w.consumers = append(w.consumers, c)
		w.wg.Go(func() { w.pump(w.q.ctx, i, c) })
	}
}

func (w *waiting) stop() {
	w.mu.Lock()
	w.stopped = true
	consumers := w.consumers
	w.mu.Unlock()
	for _, c := range consumers {
		c.Close()
	}
	w.wg.Wait()
}

// declare makes sure that the route's queues exist.
func (w *waiting) declare(ctx context.Context) error {
	if err := w.undisturbed(ctx); err != nil {
		return err
	}
	if err := w.q.deps.Consume.Declare(ctx, w.names.topology(w.cfg.Ordered)); err != nil {
		return w.advise(err)
	}
	w.declared.Store(true)
	return nil
}

// ensure declares the queues unless that was done.
func (w *waiting) ensure(ctx context.Context) error {
	if w.declared.Load() {
		return nil
	}
	return w.declare(ctx)
}

// await waits until there may be something to claim.
func (w *waiting) await(ctx context.Context, due time.Time) error {
	var timer <-chan time.Time
	if !due.IsZero() {
		t := time.NewTimer(time.Until(due))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-w.room.changed:
	case <-timer:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// hand turns what was taken into claims.
func (w *waiting) hand(taken []*held) []delivery.Claimed {
	out := make([]delivery.Claimed, len(taken))
	for i, h := range taken {
		out[i] = delivery.Claimed{
			Event: h.event, Seq: h.seq, Token: h.seq, Lane: h.lane, Attempt: h.attempts + 1, Redelivery: h.redelivery, Accepted: h.accepted,
		}
		if h.redelivery {
			w.redelivered.Add(1)
		}
	}
	return out
}

// mint makes copy ids, which name a message from its acceptance to its end.
type mint struct {
	instance string
	last     *atomic.Int64
}

func newMint() mint { return mint{instance: rand.Text()[:12], last: new(atomic.Int64)} }

func (m *mint) next() string { return fmt.Sprintf("%s-%x", m.instance, m.last.Add(1)) }
