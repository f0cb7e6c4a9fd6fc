package route

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// measureEvery is how often a gate asks how much waits. What is accepted in
// between, by this process, it counts itself.
const measureEvery = time.Second

// Gate is an intake that refuses a route's arrivals while too many of its events
// wait, before the disk is full: with [event.Throttled] and the time it may take until
// there is room. It is a run.Worker, which measures.
//
// The depth is what the account says, of all processes, at most a second old; so
// a limit may be passed by what other processes accept in a second. A call whose
// arrivals begin below the limit is taken whole.
type Gate struct {
	intake Intake
	depths func(context.Context) ([]delivery.Depth, error)
	log    *slog.Logger
	routes map[string]*depth
}

// depth is how much of a route waits.
type depth struct {
	limit int

	mu       sync.Mutex // guards what follows
	waiting  int64      // as measured
	ended    int64      // as measured
	measured time.Time
	since    int64   // accepted by this process since then
	rate     float64 // ends per second
}

// NewGate returns a gate in front of an intake. limits are by route, at least 1;
// a route without one is not limited.
func NewGate(intake Intake, limits map[string]int, depths func(context.Context) ([]delivery.Depth, error), log *slog.Logger) *Gate {
	g := &Gate{intake: intake, depths: depths, log: log.With("component", "gate"), routes: make(map[string]*depth, len(limits))}
	for name, limit := range limits {
		g.routes[name] = &depth{limit: limit}
	}
	return g
}

// Name returns "gate".
func (*Gate) Name() string { return "gate" }

// Run measures until ctx is cancelled. While the store does not answer, the last
// measure counts on.
func (g *Gate) Run(ctx context.Context) error {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for fails := 0; ; {
		if err := g.Measure(ctx); err == nil {
			fails = 0
		} else if fails++; fails == 1 && ctx.Err() == nil {
			g.log.Warn("how much waits is not known", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Measure asks once how much waits.
func (g *Gate) Measure(ctx context.Context) error {
	counted := make(map[string]int64, len(g.routes))
	for name, d := range g.routes {
		counted[name] = d.counted()
	}
	all, err := g.depths(ctx)
	if err != nil {
		return fmt.Errorf("measure what waits: %w", err)
	}
	for _, m := range all {
		if d := g.routes[m.Route]; d != nil {
			d.take(m, counted[m.Route], time.Now())
		}
	}
	return nil
}

// Accept implements [Intake].
func (g *Gate) Accept(ctx context.Context, arrivals []Arrival) ([]Receipt, error) {
	for i := range arrivals {
		name := arrivals[i].Event.Route
		if d := g.routes[name]; d != nil && (i == 0 || arrivals[i-1].Event.Route != name) {
			if err := d.admit(name); err != nil {
				return nil, err
			}
		}
	}
	receipts, err := g.intake.Accept(ctx, arrivals)
	for i := range receipts {
		if d := g.routes[arrivals[i].Event.Route]; d != nil && !receipts[i].Duplicate && !receipts[i].Conflict {
			d.count()
		}
	}
	return receipts, err
}

func (d *depth) count() {
	d.mu.Lock()
	d.since++
	d.mu.Unlock()
}

func (d *depth) counted() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since
}

// take takes a measure. What was counted before it began is in it.
func (d *depth) take(m delivery.Depth, counted int64, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.measured.IsZero() && now.After(d.measured) {
		rate := float64(m.Ended-d.ended) / now.Sub(d.measured).Seconds()
		d.rate += (max(rate, 0) - d.rate) * 0.3
	}
	d.waiting, d.ended, d.measured = m.Waiting, m.Ended, now
	d.since -= counted
}

// admit refuses while the route is full.
func (d *depth) admit(name string) error {
	d.mu.Lock()
	waiting, rate := d.waiting+d.since, d.rate
	d.mu.Unlock()
	if waiting < int64(d.limit) {
		return nil
	}
	return &event.Error{
		Op: "accept event", Happened: event.HappenedNo, Healing: event.Throttled, After: delivery.DrainTime(int(waiting), d.limit, rate),
		Hint: "let the application catch up, or see sallyport status for why it does not; routes." + name + ".max_waiting is the limit",
		Err:  fmt.Errorf("%d events of route %s wait, the limit is %d", waiting, name, d.limit),
	}
}
