package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Deps is what a dispatcher works with. Queue, Destination and Log are required.
type Deps struct {
	Queue Queue
	// Destination must be an event.BatchDestination where Config.Batch is above 1.
	Destination event.Destination
	// Follow says which events a delivered event's answer brings about. They are
	// accepted in the transaction that records the delivery, so that both land or
	// neither does. It is called by many workers at once, once for each delivery, and again
	// for a redelivery: what it returns should depend on its arguments alone. Nil
	// brings about nothing.
	Follow func(event.Event, event.Outcome) []event.Event
	// Settled is called after the final end of an event, delivered or dead, has
	// become durable, with the outcome of its last attempt. Ends that come of
	// another process, or whose settlement came too late, are not told. It runs on
	// the goroutine that settles, so it must return at once. Nil tells nobody.
	Settled func(event.Event, event.Outcome)
	Metrics *Metrics
	// Tracer makes a span of every attempt, as a child of the event's own
	// trace; nil makes none.
	Tracer trace.Tracer
	Log    *slog.Logger
}

// Dispatcher brings the waiting events of one route to its destination. It is
// a run.Worker.
type Dispatcher struct {
	cfg     Config
	queue   Queue
	dest    event.Destination
	batches event.BatchDestination // nil where events are delivered one by one
	follow  func(event.Event, event.Outcome) []event.Event
	settled func(event.Event, event.Outcome)
	metrics routeMetrics
	tracer  trace.Tracer
	log     *slog.Logger
	breaker *breaker

	running  atomic.Bool
	inFlight atomic.Int64
	effort   effort
	wake     chan struct{}          // tells the claimer to look again; holds one signal
	paused   atomic.Bool            // last phase that was logged
	trouble  atomic.Pointer[string] // how the queue fails; nil while it does not

	mu       sync.Mutex // guards what follows
	halted   time.Time
	suspects map[int64]int64 // by Seq: events passed when it met an unavailable destination
}

// New returns a dispatcher for one route.
func New(cfg Config, deps Deps) (*Dispatcher, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check delivery settings of route %q: %w", cfg.Route, err)
	}
	if deps.Queue == nil || deps.Destination == nil || deps.Log == nil {
		return nil, fmt.Errorf("build dispatcher of route %q: queue, destination and log are required", cfg.Route)
	}
	batches, _ := deps.Destination.(event.BatchDestination)
	if cfg.Batch > 1 && batches == nil {
		return nil, fmt.Errorf("build dispatcher of route %q: its destination takes no batches", cfg.Route)
	}
	if cfg.Batch == 1 {
		batches = nil
	}
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	d := &Dispatcher{
		cfg: cfg, queue: deps.Queue, dest: deps.Destination, batches: batches, tracer: deps.Tracer,
		follow: deps.Follow, settled: deps.Settled,
		metrics: deps.Metrics.route(cfg.Route),
		log:     deps.Log.With("component", "delivery", "route", cfg.Route),
		wake:    make(chan struct{}, 1), halted: time.Now(), suspects: map[int64]int64{},
	}
	d.breaker = newBreaker(cfg.Breaker, cfg.Schedule.MaxAfter, d.breakerChanged)
	return d, nil
}

// Name returns "delivery <route>".
func (d *Dispatcher) Name() string { return "delivery " + d.cfg.Route }

// Run delivers until ctx is cancelled. Then it claims nothing more, lets
// attempts in flight end (cancelling them after the drain timeout), gives back
// what it had not begun, and settles everything on a context of its own, bounded by
// the settle timeout. No goroutine outlives it. It may be called again after it
// has returned, but not before.
func (d *Dispatcher) Run(ctx context.Context) error {
	if !d.running.CompareAndSwap(false, true) {
		return errors.New("run dispatcher: already running")
	}
	defer d.halt()
	s := newSession(ctx, d)
	s.run(ctx)
	return nil
}

func (d *Dispatcher) halt() {
	d.mu.Lock()
	d.halted = time.Now()
	d.mu.Unlock()
	d.running.Store(false)
}

// Status says what the dispatcher is doing now.
func (d *Dispatcher) Status() Status {
	s := Status{
		Route: d.cfg.Route, Activity: Running,
		InFlight: int(d.inFlight.Load()), Concurrency: d.cfg.Concurrency,
	}
	d.breaker.describe(&s)
	if trouble := d.trouble.Load(); trouble != nil && s.Why == "" {
		s.Why, s.Hint = *trouble, "check the store"
	}
	if !d.running.Load() {
		d.mu.Lock()
		s.Activity, s.Since, s.NextProbe = Halted, d.halted, time.Time{}
		d.mu.Unlock()
	}
	return s
}

func (d *Dispatcher) nudge() {
	select {
	case d.wake <- struct{}{}:
	default: // a signal is waiting already
	}
}

func (d *Dispatcher) breakerChanged() {
	phase := d.breaker.current()
	d.metrics.breaker.Set(float64(phase))
	if paused := phase != closed; d.paused.Swap(paused) != paused {
		var s Status
		d.breaker.describe(&s)
		if paused {
			d.log.Warn("destination paused", "why", s.Why, "hint", s.Hint, "next_probe", s.NextProbe)
		} else {
			d.log.Info("destination resumed")
		}
	}
	d.nudge()
}

// suspectLimit bounds the memory of events that met an unavailable destination.
const suspectLimit = 4096

// blames says whether an unavailability is the event's own doing: the same
// event has met one before, and other events got through since. Without this, an event
// that crashes the application would come back for ever, because an unavailable
// destination does not use up attempts.
func (d *Dispatcher) blames(c *Claimed, o *event.Outcome) bool {
	if o.Happened == event.HappenedNo {
		return false // the destination has not even seen it
	}
	passed := d.breaker.passed.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	before, known := d.suspects[c.Seq]
	if len(d.suspects) >= suspectLimit {
		clear(d.suspects)
	}
	d.suspects[c.Seq] = passed
	return known && passed > before
}
