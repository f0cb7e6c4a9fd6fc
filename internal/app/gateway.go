package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/applink"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/intake"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/encrypted"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// Gateway is a whole gateway, built and ready to run once.
type Gateway struct {
	log        *slog.Logger
	lookup     config.Lookup
	store      store.Store
	keys       *sealed.Keyring     // seals payloads at rest; nil where they rest in clear text
	resealer   *encrypted.Resealer // nil without keys
	rooms      *rooms              // where events wait
	broker     *broker             // nil where no route needs one
	supervisor *run.Supervisor
	server     *control.Server
	budget     *budget.Budget
	watcher    *watch.Watcher
	insight    *insight       // nil without a broker
	loads      *loads         // nil where no route waits in a broker
	scaler     *scale.Scaler  // nil where nothing is scaled
	closers    []func() error // run in reverse order after everything has stopped

	subscribers []*subscription.Subscriber
	channels    *channels // nil where no topic is a pattern
	dispatchers []*delivery.Dispatcher
	troubles    []trouble                    // what keeps routes from being delivered, besides their destinations
	acceptors   map[string]*callout.Acceptor // by route
	answers     map[string]*callout.Answers  // by route
	relays      []*callout.Relay
	intake      *intake.Server  // nil where nobody calls
	applink     *applink.Source // nil without an org
}

// Env is what the assembly takes from the process around it.
type Env struct {
	Log *slog.Logger
	// Lookup reads an environment variable.
	Lookup config.Lookup
	// Version is shown by status.
	Version string
}

// New builds a gateway: it opens the store, binds the control address and
// prepares everything else, but connects to nothing. On error nothing is left open.
func New(ctx context.Context, s config.Settings, env Env) (_ *Gateway, err error) {
	g := &Gateway{log: env.Log, lookup: env.Lookup}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	owner, err := processName()
	if err != nil {
		return nil, err
	}
	if err := g.openStore(ctx, s, owner, env); err != nil {
		return nil, err
	}
	g.closers = append(g.closers, g.store.Close)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if g.supervisor, err = run.New(run.Config{StopBudget: s.Shutdown.Grace}, env.Log); err != nil {
		return nil, err
	}
	tracing, err := newTracing(ctx, s.Telemetry, env)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, tracing.close)
	if err := g.addRoutes(ctx, s, owner, registry, tracing); err != nil {
		return nil, err
	}
	if err := g.addWatch(s.Alarms, owner, registry); err != nil {
		return nil, err
	}
	if g.resealer != nil {
		if err := g.supervisor.Add(run.Spec{Worker: g.resealer, Stage: run.Delivery}); err != nil {
			return nil, err
		}
	}
	if err := g.addTrail(s.Trail); err != nil {
		return nil, err
	}
	if err := g.addControl(ctx, s, registry, env); err != nil {
		return nil, err
	}
	registry.MustRegister(newLedgerCollector(g.rooms, env.Log))
	return g, g.supervisor.Add(run.Spec{Worker: newSweeper(g.store, s.Store.Retention, env.Log), Stage: run.Storage})
}

// addControl builds the operator API over what exists by then.
func (g *Gateway) addControl(ctx context.Context, settings config.Settings, registry *prometheus.Registry, env Env) error {
	s := settings.Control
	cfg := control.Config{
		Archive: shown(g.rooms, settings), Redriver: g.rooms, Gaps: g.store, Ping: g.store.Ping,
		Dispatchers: g.dispatcherStatus, Subscriptions: g.subscriptionStatus, Workers: g.workerStatus, Alarms: g.watcher.Alarms,
		Version: env.Version, Started: time.Now().UTC(),
	}
	if g.channels != nil {
		cfg.Patterns = g.channels.patterns
	}
	if g.budget != nil {
		cfg.Budget = g.budget.Status
	}
	if g.insight != nil {
		cfg.Broker = func() *control.Broker { return brokerView(g.broker, g.insight) }
	}
	if g.loads != nil {
		cfg.Loads = g.loads.measure
	}
	if g.scaler != nil {
		cfg.Scaling = g.scaler.Status
	}
	service, err := control.NewService(cfg)
	if err != nil {
		return err
	}
	g.server, err = control.Listen(ctx, control.ServerConfig{
		Listen: s.Listen, Token: s.Token, MaxBody: int64(s.MaxBody), Metrics: registry, Log: env.Log,
	}, service)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, func() error { _ = g.server.Close(); return nil }) // closed already after a run
	return g.supervisor.Add(run.Spec{Worker: g.server, Stage: run.Surface, Vital: true})
}

// Addr is where the operator API listens.
func (g *Gateway) Addr() string { return g.server.Addr() }

// Run runs the gateway until ctx is cancelled, then stops it in order: intake,
// deliveries, operator API, store. It returns nil after a clean stop.
func (g *Gateway) Run(ctx context.Context) error {
	g.log.Info("gateway started", "control", g.Addr(), "callouts", g.CalloutAddr(), "topics", len(g.subscribers), "routes", len(g.dispatchers)+len(g.relays))
	err := errors.Join(g.supervisor.Run(ctx), g.close())
	if err == nil {
		g.log.Info("gateway stopped")
	}
	return err
}

// Kill ends a stop that takes too long; what was in flight is redelivered at
// the next start. It may be called at any time.
func (g *Gateway) Kill() { g.supervisor.Kill() }

func (g *Gateway) close() error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		if err := g.closers[i](); err != nil {
			errs = append(errs, fmt.Errorf("close: %w", err))
		}
	}
	g.closers = nil
	return errors.Join(errs...)
}

func (g *Gateway) dispatcherStatus() []delivery.Status {
	all := make([]delivery.Status, 0, len(g.dispatchers)+len(g.relays))
	for _, d := range g.dispatchers {
		all = append(all, d.Status())
	}
	for _, r := range g.relays {
		all = append(all, r.Status())
	}
	g.addTroubles(all)
	slices.SortFunc(all, func(a, b delivery.Status) int { return strings.Compare(a.Route, b.Route) })
	return all
}

func (g *Gateway) subscriptionStatus() []subscription.Status {
	all := make([]subscription.Status, len(g.subscribers))
	for i, s := range g.subscribers {
		all[i] = s.Status()
	}
	all = append(all, g.channels.status()...)
	slices.SortFunc(all, func(a, b subscription.Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (g *Gateway) workerStatus() []control.Worker {
	states := map[run.State]control.WorkerState{
		run.Running: control.WorkerRunning, run.Waiting: control.WorkerRestarting, run.Failed: control.WorkerFailed,
	}
	health := append(g.supervisor.Health(), g.channels.health()...)
	all := make([]control.Worker, len(health))
	for i, h := range health {
		state, ok := states[h.State]
		if !ok {
			state = control.WorkerStopped
		}
		all[i] = control.Worker{Name: h.Name, State: state, Since: h.Since, Why: h.LastError}
	}
	return all
}
