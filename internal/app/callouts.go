package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/intake"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// herokuRouter is when Heroku's router gives up waiting (H12).
const herokuRouter = 30 * time.Second

// addCallouts builds what callers and the application's own events come in by:
// a relay for a route whose callers wait, an acceptor for one that keeps its events, and
// the listener in front of them.
func (g *Gateway) addCallouts(ctx context.Context, s config.Settings, bindings []binding, org *wires, registry *prometheus.Registry) error {
	if !s.Listens() {
		return nil
	}
	beside, err := g.addOutbound(s, bindings, org, registry)
	if err != nil {
		return err
	}
	metrics := callout.NewMetrics(registry)
	router := g.routerTimeout(s)
	g.acceptors, g.answers = map[string]*callout.Acceptor{}, map[string]*callout.Answers{}
	var routes []intake.Route
	for _, b := range bindings {
		var r intake.Route
		var err error
		switch arrives := b.settings.Arrives; {
		case arrives == config.ArrivesCallout && b.settings.Waits == config.WaitsNone:
			r, err = g.newRelay(b, router, metrics)
		case arrives == config.ArrivesCallout, arrives == config.ArrivesHTTP:
			r, err = g.newAcceptor(b, router, metrics)
		default:
			continue
		}
		if err == nil && r.Acceptor != nil && r.Acceptor.Waits() && store.Shared(s.Store.URL.Reveal()) {
			err = g.watchElsewhere(r.Acceptor, r.Name)
		}
		if err != nil {
			return fmt.Errorf("route %q: %w", b.route.Name(), err)
		}
		routes = append(routes, r)
	}
	description, err := newDescription(s, g.log)
	if err != nil {
		return err
	}
	return g.listen(ctx, s, routes, append(beside, description), registry)
}

// watchElsewhere tells callers who wait of what other processes have delivered.
func (g *Gateway) watchElsewhere(a *callout.Acceptor, name string) error {
	worker := callout.NewElsewhere(a, func(ctx context.Context, ids []string) ([]string, error) { return g.rooms.ended(ctx, name, ids) })
	return g.supervisor.Add(run.Spec{Worker: worker, Stage: run.Delivery})
}

func (g *Gateway) listen(ctx context.Context, s config.Settings, routes []intake.Route, beside []intake.Beside, registry *prometheus.Registry) error {
	l := s.Listen
	callers, err := newCallers(s, registry, g.log)
	if err != nil {
		return err
	}
	certificate, err := listenTLS(l.TLS, g.log)
	if err != nil {
		return err
	}
	g.intake, err = intake.Listen(ctx, intake.Config{
		Listen: l.Address, TLS: callers.tls(certificate), AllowPlain: l.AllowHTTP,
		Authenticate: callers.authenticate(), Beside: append(beside, callers.beside()...),
		MaxBody: int64(l.MaxBody), MaxHeader: int64(l.MaxHeader),
		HeaderTimeout: l.HeaderTimeout, ReadTimeout: l.ReadTimeout, IdleTimeout: l.IdleTimeout,
		MaxConnections: l.MaxConnections, MaxInFlight: l.MaxInFlight,
		// The operator API and the store still have to go after it.
		Grace: s.Shutdown.Grace - 2*time.Second, Log: g.log,
	}, routes)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, func() error { _ = g.intake.Close(); return nil }) // closed already after a run
	// It stops beside the deliveries, because callers who wait for one hear of it.
	return g.supervisor.Add(run.Spec{Worker: g.intake, Stage: run.Delivery, Vital: true})
}

func listenTLS(s config.ListenTLS, log *slog.Logger) (*tls.Config, error) {
	if s.CertFile == "" {
		return nil, nil // plain, which the listener holds against its address
	}
	return intake.Certificate(s.CertFile, s.KeyFile, log)
}

// routerTimeout is when whoever stands in front gives up: what is set, or
// Heroku's where a dyno is recognized.
func (g *Gateway) routerTimeout(s config.Settings) time.Duration {
	if _, onDyno := g.lookup("DYNO"); onDyno && !s.IsSet("listen.router_timeout") {
		return herokuRouter
	}
	return s.Listen.RouterTimeout
}

func (g *Gateway) newRelay(b binding, router time.Duration, metrics *callout.Metrics) (intake.Route, error) {
	s, c := b.settings, b.settings.Callout
	app, err := g.newHTTP(s, func(cfg *httpout.Config) {
		cfg.Concurrency, cfg.MaxAnswer = c.InFlight, int64(c.MaxAnswer)
	})
	if err != nil {
		return intake.Route{}, err
	}
	relay, err := callout.NewRelay(callout.RelayConfig{
		Deadline: c.Deadline, RouterTimeout: router, TryTimeout: s.To.Timeout, Tries: c.Tries, Hedge: c.Hedge, InFlight: c.InFlight,
		Remember: s.Remember, Failures: orOff(s.Breaker.Failures), ProbeMax: s.Breaker.ProbeMax,
	}, callout.RelayDeps{Route: b.route, App: app, Keys: g.store, Metrics: metrics, Log: g.log})
	if err != nil {
		return intake.Route{}, err
	}
	g.relays = append(g.relays, relay)
	check, err := newCheck(s.Schema)
	return intake.Route{Name: b.route.Name(), Relay: relay, Headers: c.Headers, Check: check}, err
}

func (g *Gateway) newAcceptor(b binding, router time.Duration, metrics *callout.Metrics) (intake.Route, error) {
	name, s := b.route.Name(), b.settings
	own := s.Arrives == config.ArrivesHTTP
	prefix := "/callouts/" + name
	if own {
		prefix = "/events/" + name
	}
	_, wait := s.Callout.Mode()
	if wait > 0 {
		g.answers[name] = callout.NewAnswers(g.store, name, s.Remember, g.log)
	}
	acceptor, err := callout.NewAcceptor(callout.AcceptorConfig{
		Prefix: prefix, Wait: wait, RouterTimeout: router, Remember: s.Remember,
	}, callout.AcceptorDeps{Route: b.route, Intake: g.rooms, Find: g.rooms.Find, Answers: g.answers[name], Metrics: metrics, Log: g.log})
	if err != nil {
		return intake.Route{}, err
	}
	g.acceptors[name] = acceptor
	check, err := newCheck(s.Schema)
	return intake.Route{Name: name, Events: own, Acceptor: acceptor, Check: check}, err
}

// kept is a destination whose answers are kept, where the route's callers may ask for them.
func (g *Gateway) kept(name string, destination event.Destination) event.Destination {
	if answers, ok := g.answers[name]; ok {
		return answers.Keep(destination)
	}
	return destination
}

// settled tells the callers who wait for a route's events how those ended; nil
// where nobody waits.
func (g *Gateway) settled(name string) func(event.Event, event.Outcome) {
	if acceptor, ok := g.acceptors[name]; ok {
		return acceptor.Settled
	}
	return nil
}

// CalloutAddr is where callouts come in; empty where no route is called.
func (g *Gateway) CalloutAddr() string {
	if g.intake == nil {
		return ""
	}
	return g.intake.Addr()
}
