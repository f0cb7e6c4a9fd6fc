package callout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// RelayDeps is what a relay works with. All but Metrics are required.
type RelayDeps struct {
	Route   *route.Route
	App     event.Responder
	Keys    route.Keys
	Metrics *Metrics
	Log     *slog.Logger
}

// Relay is a route whose callers wait for the application's own answer. It is
// safe for concurrent use and owns no goroutine beyond a call.
type Relay struct {
	cfg     RelayConfig
	route   *route.Route
	app     event.Responder
	keys    route.Keys
	limit   *limiter
	breaker *breaker
	flights flights
	metrics routeMetrics
	log     *slog.Logger
}

// NewRelay returns a relay for one route.
func NewRelay(cfg RelayConfig, deps RelayDeps) (*Relay, error) {
	cfg = cfg.WithDefaults()
	if deps.Route == nil || deps.App == nil || deps.Keys == nil || deps.Log == nil {
		return nil, errors.New("build relay: route, application, keys and log are required")
	}
	name := deps.Route.Name()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check callout settings of route %q: %w", name, err)
	}
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	r := &Relay{
		cfg: cfg, route: deps.Route, app: deps.App, keys: deps.Keys, limit: newLimiter(cfg.InFlight),
		breaker: newBreaker(cfg.Failures, cfg.ProbeMax), metrics: deps.Metrics.route(name),
		log: deps.Log.With("component", "callout", "route", name),
	}
	r.flights.init()
	deps.Metrics.watch(name, r.limit.state)
	return r, nil
}

// Do gets the application's answer, or says why there is none. It returns
// within the caller's time, and at once when ctx is cancelled because the caller has gone.
func (r *Relay) Do(ctx context.Context, req Request) (Answer, *Problem) {
	budget := r.cfg.budget(req.Patience)
	ctx, cancel := context.WithDeadline(ctx, req.Received.Add(budget))
	defer cancel()
	answer, problem := r.do(ctx, &req, budget)
	r.metrics.count(&answer, problem, time.Since(req.Received))
	return answer, problem
}

func (r *Relay) do(ctx context.Context, req *Request, budget time.Duration) (Answer, *Problem) {
	if ctx.Err() != nil {
		return Answer{}, r.cutOff(ctx, budget)
	}
	call, filtered, problem := r.call(req)
	if problem != nil {
		return Answer{}, problem
	}
	if filtered {
		return Answer{Status: 204, Ours: true}, nil
	}
	if req.Key == "" || readsOnly(req.Method) {
		return r.relay(ctx, call, safeMethod(req.Method), budget)
	}
	return r.once(ctx, req, func() (Answer, *Problem) { return r.relay(ctx, call, true, budget) })
}

// readsOnly reports whether a method has no effect that would have to be remembered.
func readsOnly(method string) bool { return method == "GET" || method == "HEAD" || method == "OPTIONS" }

// call makes the request the event that the application knows from every other
// pattern.
func (r *Relay) call(req *Request) (call event.Call, filtered bool, problem *Problem) {
	e := NewEvent(r.route.Name(), req)
	if e.ID == "" {
		e.ID = newID()
	}
	if len(req.Body) > 0 {
		kept, ok := r.route.Accept(e)
		if !ok {
			return event.Call{}, true, nil
		}
		if refused, ok := r.route.Prepare(&kept); !ok {
			return event.Call{}, false, &Problem{
				Status: 422, Code: CodeUnprocessed, What: refused.Reason, Happened: event.HappenedNo, Next: refused.Hint,
			}
		}
		e = kept
	} else {
		e.Route = r.route.Name()
	}
	return event.Call{Event: e, Method: req.Method, Path: req.Path, Query: req.Query, Header: req.Header}, false, nil
}

// NewEvent is a request as an event; its id is the request's key, which may be empty.
func NewEvent(routeName string, req *Request) event.Event {
	e := event.Event{
		ID: req.Key, Source: source(req.OrgID, routeName), Type: "com.salesforce.callout." + routeName, Time: req.Received.UTC(),
		Key: req.OrderKey, OrgID: req.OrgID, TraceParent: req.TraceParent, Data: req.Body,
	}
	return e
}

// source is "salesforce/<orgId>/<route>"; without the org where the caller does not say.
func source(orgID, routeName string) string {
	if orgID == "" {
		return "salesforce/" + routeName
	}
	return "salesforce/" + orgID + "/" + routeName
}

// digest tells two requests apart that use one key.
func (req *Request) digest() []byte {
	h := sha256.New()
	for _, part := range []string{req.Method, req.Path, req.Query} {
		_, _ = h.Write([]byte(part))
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(req.Body)
	return h.Sum(nil)
}

// relay sends a request to the application, within its limits.
func (r *Relay) relay(ctx context.Context, call event.Call, repeatable bool, budget time.Duration) (Answer, *Problem) {
	if !r.limit.acquire(ctx, min(r.cfg.Queue, budget/4)) {
		if ctx.Err() != nil {
			return Answer{}, r.cutOff(ctx, budget)
		}
		return Answer{}, overloaded(r.metrics.typical())
	}
	began, said := time.Now(), unsaid
	defer func() { r.limit.release(said, began) }()
	probe, refused := r.breaker.admit()
	if refused != nil {
		return Answer{}, refused
	}
	last := r.tries(ctx, call, repeatable, probe)
	said = r.load(last.outcome, time.Since(began))
	switch o := last.outcome; {
	case o.Status != 0:
		return Answer{Status: last.reply.Status, Header: last.reply.Header, Body: last.reply.Body}, nil
	case ctx.Err() != nil:
		return Answer{}, r.cutOff(ctx, budget)
	case last.timedOut:
		return Answer{}, tooSlow(r.cfg.TryTimeout)
	default:
		return Answer{}, silence(o, last.number)
	}
}

// load reads an end for the limiter.
func (r *Relay) load(o event.Outcome, took time.Duration) load {
	switch {
	case o.Status == 429 || o.Status == 503 || o.Status == 504:
		return tooMuch
	case o.Status != 0:
		return borne
	case o.Happened == event.HappenedUnknown && took >= r.cfg.Slow:
		return tooMuch
	}
	return unsaid
}

// cutOff says why ctx ended the work on a request.
func (r *Relay) cutOff(ctx context.Context, budget time.Duration) *Problem {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return tooSlow(budget)
	}
	return &Problem{Status: 499, Code: CodeDisconnected, What: "the caller has gone", Happened: event.HappenedUnknown, Retry: true, Next: "repeat with the same Idempotency-Key"}
}

// Status says what the relay is doing now, in the words of a dispatcher.
func (r *Relay) Status() delivery.Status {
	s := delivery.Status{Route: r.route.Name()}
	r.breaker.describe(&s)
	s.InFlight, s.Concurrency = r.limit.state()
	if s.Why == "" && s.Concurrency < r.cfg.InFlight {
		s.Why = fmt.Sprintf("the application is slow: it bears %d callouts at once instead of %d", s.Concurrency, r.cfg.InFlight)
		s.Hint = "see why it answers late or 503; the limit rises again while it answers"
	}
	return s
}
