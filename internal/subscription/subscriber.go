package subscription

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Route is a route as intake needs it.
type Route interface {
	Name() string
	// Accept returns the event addressed to the route, or false if the route's
	// filter says no. It does not keep the event's data beyond the call otherwise.
	Accept(e event.Event) (kept event.Event, ok bool)
	// Grouped reports whether the route takes the changes of a transaction as one
	// event, of type event.TypeTransaction.
	Grouped() bool
}

// Deps is what a subscriber works with. Refiller, Tracer and Metrics may be nil.
type Deps struct {
	Source event.Source
	// Refiller brings back what is missing; without one it is lost.
	Refiller Refiller
	Journal  Journal
	Leases   Leases
	// Routes that the topic feeds; at least one.
	Routes  []Route
	Metrics *Metrics
	// Tracer makes a span where an event enters, as a child of the trace it
	// arrived with; nil makes none.
	Tracer trace.Tracer
	Log    *slog.Logger
}

// Subscriber reads one topic for its routes. It is a run.Worker.
type Subscriber struct {
	cfg     Config
	source  event.Source
	refill  Refiller
	journal Journal
	leases  Leases
	routes  []Route
	metrics topicMetrics
	tracer  trace.Tracer
	log     *slog.Logger

	running atomic.Bool

	mu      sync.Mutex // guards what follows
	status  Status
	stored  Checkpoint
	placed  time.Time // how old the stored position is; zero: not known better than when it moved
	backlog progress
	waiting *pending // of the open stream; nil when there is none
}

// New returns a subscriber of one topic.
func New(cfg Config, deps Deps) (*Subscriber, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check settings of subscription %q: %w", cfg.Topic, err)
	}
	if deps.Source == nil || deps.Journal == nil || deps.Leases == nil || deps.Log == nil || len(deps.Routes) == 0 {
		return nil, fmt.Errorf("build subscription %q: source, journal, leases, log and a route are required", cfg.Topic)
	}
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	s := &Subscriber{
		cfg: cfg, source: deps.Source, refill: deps.Refiller, journal: deps.Journal, leases: deps.Leases, routes: deps.Routes,
		tracer: deps.Tracer, log: deps.Log.With("component", "subscription", "topic", cfg.Topic),
		status: Status{Name: cfg.Name, Topic: cfg.Topic, State: Stopped, Since: time.Now(), Refills: deps.Refiller != nil},
	}
	for _, r := range deps.Routes {
		s.status.Routes = append(s.status.Routes, r.Name())
	}
	s.metrics = deps.Metrics.topic(cfg.Topic, s.status.Routes)
	return s, nil
}

// Name returns "subscription <name>".
func (s *Subscriber) Name() string { return "subscription " + s.cfg.Name }

// Run reads the topic until ctx is cancelled: it waits for the lease, reads
// while it holds it, and goes back to waiting when it is lost. Failures of
// source and store are waited out, not returned. At the end, what was received is
// stored and the lease given up, within the flush timeout. No goroutine
// outlives it.
func (s *Subscriber) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("run subscriber: already running")
	}
	defer s.running.Store(false)
	defer s.become(Stopped, "", "", time.Time{})
	wait := backoff{first: 4 * s.cfg.StandbyPoll, limit: s.cfg.LeaseTTL}
	for {
		lease, ok := s.acquire(ctx)
		if !ok {
			return nil
		}
		began := time.Now()
		s.lead(ctx, lease)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > s.cfg.LeaseTTL {
			wait.reset()
		}
		// Two processes under one holder name would take the lease from each
		// other without end; so the loser lets some time pass.
		pause := wait.next()
		s.become(Standby, "the lease was lost", "give every process a holder name of its own", time.Now().Add(pause))
		sleep(ctx, pause)
	}
}

// Status says what the subscription is doing now.
func (s *Subscriber) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Position = hex.EncodeToString(s.stored.Position)
	st.Moved, st.EventTime = s.stored.Moved, s.stored.EventTime
	if s.stored.Position == nil && st.Events == 0 {
		st.EventTime = time.Time{} // where to begin; no event's
	}
	if s.stored.Position != nil {
		st.WindowLeft = max(0, s.cfg.Window-time.Since(s.positionTimeLocked()))
	}
	st.CatchUp = s.backlog.show(time.Now())
	if s.waiting != nil {
		st.Unstored = s.waiting.held()
	}
	return st
}

// positionTimeLocked is from when on the source's window counts for the stored
// position: an event's time if it is an event's, which in a backlog is old.
func (s *Subscriber) positionTimeLocked() time.Time {
	if s.placed.IsZero() || s.placed.After(s.stored.Moved) {
		return s.stored.Moved
	}
	return s.placed
}

// become changes the state and says why. A change of state alone sets since,
// and is logged; a new reason in the same state is not an event.
func (s *Subscriber) become(state State, why, hint string, next time.Time) {
	s.mu.Lock()
	changed := s.status.State != state
	before := s.status.State
	if changed {
		s.status.State, s.status.Since = state, time.Now()
	}
	if state == Live || state == Standby || state == Stopped {
		s.backlog, s.status.Lag = progress{}, 0
	}
	s.status.Why, s.status.Hint, s.status.NextTry = why, hint, next
	s.mu.Unlock()
	if changed {
		s.metrics.setState(before, state)
		s.log.Info("state changed", "state", string(state), "before", string(before), "why", why, "hint", hint)
	}
}

func (s *Subscriber) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.State
}

func (s *Subscriber) checkpoint() Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored
}
