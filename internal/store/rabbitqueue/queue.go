package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// Queue is the waiting room of routes in a broker. It is safe for concurrent use.
type Queue struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	routes map[string]*waiting
	pub    *rabbit.Publisher
	seq    atomic.Int64
	mint   mint

	cancel context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup
	once   sync.Once
}

var (
	_ delivery.Queue   = (*Queue)(nil)
	_ delivery.Archive = (*Queue)(nil)
	_ route.Intake     = (*Queue)(nil)
)

// New returns the waiting room of the given routes. It reaches for the broker in
// the background only. The caller closes it before its links and its register.
func New(cfg Config, deps Deps) (*Queue, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check settings of the queues: %w", err)
	}
	if deps.Publish == nil || deps.Consume == nil || deps.Register == nil || deps.Log == nil {
		return nil, errors.New("build queues: connections, register and log are required")
	}
	q := &Queue{cfg: cfg, deps: deps, log: deps.Log.With("component", "queues"), routes: map[string]*waiting{}, mint: newMint()}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	for _, r := range cfg.Routes {
		q.routes[r.Name] = newWaiting(q, r)
	}
	q.pub = rabbit.NewPublisher(deps.Publish, rabbit.PublisherConfig{})
	q.wg.Go(func() { q.every(cfg.Flush, q.flush) })
	q.wg.Go(func() { q.every(cfg.Measure, q.measure) })
	return q, nil
}

// Close stops consuming and publishing. What is held unacknowledged goes back to
// the broker, in its order; what was confirmed is entered in the register. It
// may be called twice.
func (q *Queue) Close() error {
	var err error
	q.once.Do(func() {
		q.cancel()
		for _, w := range q.routes {
			w.stop()
		}
		q.pub.Close()
		q.wg.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		err = q.post(ctx)
	})
	return err
}

// every calls f until the queue is closed.
func (q *Queue) every(d time.Duration, f func(context.Context)) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			f(q.ctx)
		case <-q.ctx.Done():
			return
		}
	}
}

// Has reports whether a route waits here.
func (q *Queue) Has(name string) bool { return q.routes[name] != nil }

func (q *Queue) route(name string) (*waiting, error) {
	w := q.routes[name]
	if w == nil {
		return nil, &event.Error{
			Op: "find the queue of route " + name, Happened: event.HappenedNo, Healing: event.Permanent,
			Hint: "the route does not wait in RabbitMQ; see waits in its settings", Err: errors.New("no such queue"),
		}
	}
	return w, nil
}

// Claim implements [delivery.Queue]. Messages are consumed from the first claim
// of a route on. The lease is not used: a claim holds for as long as its channel
// lives, which the broker watches.
func (q *Queue) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	w, err := q.route(req.Route)
	if err != nil {
		return nil, err
	}
	w.start()
	for {
		taken, due := w.room.take(req.Max, max(req.Run, 1))
		if len(taken) > 0 {
			return w.hand(taken), nil
		}
		if err := w.await(ctx, due); err != nil {
			return nil, err
		}
	}
}

// Extend implements [delivery.Queue]: lost is what came on a channel that is gone.
func (q *Queue) Extend(_ context.Context, claims []delivery.Claimed, _ time.Duration) (lost []delivery.Claimed, err error) {
	byRoute := map[string][]int64{}
	for i := range claims {
		byRoute[claims[i].Event.Route] = append(byRoute[claims[i].Event.Route], claims[i].Seq)
	}
	for name, seqs := range byRoute {
		w, err := q.route(name)
		if err != nil {
			return nil, err
		}
		gone := w.room.goneAmong(seqs)
		for _, c := range claims {
			if c.Event.Route == name && gone[c.Seq] {
				lost = append(lost, c)
			}
		}
	}
	return lost, nil
}
