package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// gauge is what was last measured of a route's queues.
type gauge struct {
	in, out atomic.Int64 // accepted and ended since the last measurement

	mu   sync.Mutex // guards what follows
	last Level
	rate float64 // ends per second, smoothed
	// surplus is how much more than the register knows of has come out, and since
	// when that has been so with nothing waiting.
	surplus int64
	since   time.Time
}

// Level is how full a route's queues are.
type Level struct {
	Route string
	// Names are those of the route's queues, dead letters last.
	Names []string
	// Lanes is how many of them, the first ones, consumers read.
	Lanes int
	// Ready waits for a consumer, Retrying for its next attempt; Held is
	// unacknowledged in this process, Dead among the dead letters.
	Ready, Retrying, Held, Dead int
	// Consumers counts those of all processes on the route's queues.
	Consumers int
	// Oldest is when the oldest event that this process holds was accepted;
	// zero if it holds none. Queues are in order, so nothing older is ready.
	Oldest time.Time
	// Rate is how many events end per second.
	Rate float64
	// Measured is when the broker last answered; zero if it never has.
	Measured time.Time
	// Missing names queues that do not exist.
	Missing []string
	// MaxDepth is the depth at which intake refuses; 0 never.
	MaxDepth int
	// Trouble is why nothing is consumed, and Hint what to do; empty when all is well.
	Trouble, Hint string
}

// Waiting is everything that has not ended, as far as it can be seen.
func (l *Level) Waiting() int { return l.Ready + l.Retrying + l.Held }

// Levels measures all routes' queues now.
func (q *Queue) Levels(ctx context.Context) ([]Level, error) {
	var out []Level
	for _, r := range q.cfg.Routes {
		level, err := q.routes[r.Name].level(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, level)
	}
	return out, nil
}

// Measured returns what was last measured of each route, without asking the broker.
func (q *Queue) Measured() []Level {
	var out []Level
	for _, r := range q.cfg.Routes {
		g := &q.routes[r.Name].gauge
		g.mu.Lock()
		if !g.last.Measured.IsZero() {
			out = append(out, g.last)
		}
		g.mu.Unlock()
	}
	return out
}

// connectPatience is how long a missing connection is waited for before
// whoever asks is told.
const connectPatience = 3 * time.Second

// level measures a route's queues.
func (w *waiting) level(ctx context.Context) (Level, error) {
	queues := append(w.names.waiting(), w.names.dead)
	if s := w.q.deps.Consume.Status(); !s.Connected && s.Why != "" && time.Since(s.Since) > connectPatience {
		return Level{}, &event.Error{
			Op: "measure queues of route " + w.cfg.Name, Happened: event.HappenedNo, Healing: event.Transient, Hint: s.Hint, Err: errors.New(s.Why),
		}
	}
	depths, err := w.q.deps.Consume.Depths(ctx, queues...)
	if err != nil {
		return Level{}, err
	}
	l := Level{Route: w.cfg.Name, Names: queues, Lanes: len(w.names.lanes), Measured: time.Now(), MaxDepth: w.cfg.MaxDepth}
	for i, d := range depths {
		switch {
		case d.Missing:
			l.Missing = append(l.Missing, d.Queue)
		case i < len(w.names.lanes):
			l.Ready += d.Ready
			l.Consumers += d.Consumers
		case i < len(queues)-1:
			l.Retrying += d.Ready
		default:
			l.Dead = d.Ready
		}
	}
	l.Held, l.Oldest = w.room.state()
	w.mu.Lock()
	for _, c := range w.consumers {
		if err := c.Trouble(); err != nil {
			l.Trouble, l.Hint = err.Error(), event.HintOf(err)
		}
	}
	w.mu.Unlock()
	w.gauge.mu.Lock()
	l.Rate = w.gauge.rate
	w.gauge.mu.Unlock()
	return l, nil
}

// measure takes the level of every route, for back-pressure.
func (q *Queue) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, w := range q.routes {
		in, out := w.gauge.in.Load(), w.gauge.out.Swap(0)
		level, err := w.level(ctx)
		if err != nil {
			return
		}
		w.gauge.in.Add(-in)
		if w.cfg.Native {
			out = w.left(&level, in)
			w.declareEarly(ctx)
		}
		w.gauge.take(level, float64(out)/q.cfg.Measure.Seconds())
		if len(level.Missing) > 0 && len(level.Missing) < len(w.names.waiting())+1 {
			w.declared.Store(false)
		}
		w.writeOff(ctx, level)
	}
}

func (g *gauge) take(l Level, rate float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rate += (rate - g.rate) * 0.3
	l.Rate = g.rate
	g.last = l
}

// admit refuses while the route's queues are full or the broker takes nothing.
func (w *waiting) admit(ctx context.Context) error {
	if err := w.q.deps.Publish.Blocked(); err != nil {
		return err
	}
	if err := w.ensure(ctx); err != nil {
		return err
	}
	if w.cfg.MaxDepth <= 0 {
		return nil
	}
	g := &w.gauge
	g.mu.Lock()
	depth, rate := g.last.Waiting()+int(g.in.Load()), g.rate
	g.mu.Unlock()
	if depth < w.cfg.MaxDepth {
		return nil
	}
	return &event.Error{
		Op: "accept event", Happened: event.HappenedNo, Healing: event.Throttled, After: delivery.DrainTime(depth, w.cfg.MaxDepth, rate),
		Hint: "let consumers catch up, or add some; rabbitmq.max_depth is the limit",
		Err:  fmt.Errorf("%d events of route %s wait, the limit is %d", depth, w.cfg.Name, w.cfg.MaxDepth),
	}
}

// writeOffAfter is how long nothing must have waited before a surplus is
// taken for what it is.
const writeOffAfter = 5 * time.Second

// writeOff puts right an account that shows more out than in: confirms that a
// killed process could not enter, publications without an answer that had landed,
// messages that others have published. Only an empty queue, with no other
// consumer that could hold something, shows how much that is.
func (w *waiting) writeOff(ctx context.Context, l Level) {
	g := &w.gauge
	w.mu.Lock()
	ours := len(w.consumers)
	w.mu.Unlock()
	idle := l.Waiting() == 0 && len(l.Missing) == 0 && l.Consumers <= ours && g.in.Load() == 0 && w.confirmed.Load() == 0
	if !idle {
		g.since = time.Time{}
		return
	}
	if g.since.IsZero() {
		a, err := w.account(ctx)
		if err != nil {
			return
		}
		g.surplus, g.since = a.surplus(0), time.Now()
		return
	}
	if g.surplus <= 0 || time.Since(g.since) < writeOffAfter {
		return
	}
	a, err := w.account(ctx)
	if err != nil || a.surplus(0) != g.surplus {
		g.since = time.Time{}
		return
	}
	if _, err := w.q.deps.Register.Post(ctx, []contract.Posting{{Route: w.cfg.Name, Confirmed: g.surplus}}); err == nil {
		w.log.Info("account put right: events were delivered whose acceptance had not been counted", "events", g.surplus)
		g.surplus = 0
	}
}

// depthOf is for those who only want to know whether a queue exists and how deep it is.
func (q *Queue) depthOf(ctx context.Context, queue string) (rabbit.Depth, error) {
	d, err := q.deps.Consume.Depths(ctx, queue)
	if err != nil {
		return rabbit.Depth{}, err
	}
	return d[0], nil
}
