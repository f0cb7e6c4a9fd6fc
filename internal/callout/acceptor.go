package callout

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// AcceptorConfig is how a route's events are accepted. Zero means the default.
type AcceptorConfig struct {
	// Prefix is where the route is reached: "/callouts/orders".
	Prefix string
	// Wait is how long the caller of a single event waits for the application's answer
	// before it is told that the event is accepted; 0 answers at once.
	Wait time.Duration
	// RouterTimeout is when whoever stands before us gives up waiting; 0 if nobody does.
	RouterTimeout time.Duration
	// Remember is how long an event's id is known; default 24 h.
	Remember time.Duration
}

// AcceptorDeps is what an acceptor works with. All but Answers and Metrics are required.
type AcceptorDeps struct {
	Route *route.Route
	// Intake is where the events wait.
	Intake route.Intake
	// Find looks up what became of an event.
	Find func(ctx context.Context, id string) ([]delivery.Record, error)
	// Answers is where the application's answers are kept; nil where they are not.
	Answers *Answers
	Metrics *Metrics
	Log     *slog.Logger
}

// Acceptor is a route whose events are kept: it answers when they are durable.
// It is safe for concurrent use.
type Acceptor struct {
	cfg     AcceptorConfig
	route   *route.Route
	intake  route.Intake
	find    func(ctx context.Context, id string) ([]delivery.Record, error)
	waiters waiters
	answers *Answers
	metrics routeMetrics
	log     *slog.Logger
	stop    chan struct{}
	once    sync.Once
}

// NewAcceptor returns an acceptor for one route.
func NewAcceptor(cfg AcceptorConfig, deps AcceptorDeps) (*Acceptor, error) {
	def(&cfg.Remember, 24*time.Hour)
	if deps.Route == nil || deps.Intake == nil || deps.Find == nil || deps.Log == nil {
		return nil, errors.New("build acceptor: route, intake, find and log are required")
	}
	name := deps.Route.Name()
	if cfg.Wait < 0 || cfg.Wait > Longest || cfg.RouterTimeout < 0 || cfg.Remember < 0 {
		return nil, fmt.Errorf("check callout settings of route %q: waits and memory must be positive, and a wait at most %s", name, Longest)
	}
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	a := &Acceptor{
		cfg: cfg, route: deps.Route, intake: deps.Intake, find: deps.Find, answers: deps.Answers, metrics: deps.Metrics.route(name),
		log: deps.Log.With("component", "callout", "route", name), stop: make(chan struct{}),
	}
	a.waiters.init()
	return a, nil
}

// Waits reports whether callers wait for the application first.
func (a *Acceptor) Waits() bool { return a.cfg.Wait > 0 }

// Drain ends all waiting for the application: what is durable is answered as
// accepted from now on. It may be called more than once.
func (a *Acceptor) Drain() { a.once.Do(func() { close(a.stop) }) }

// Settled tells callers who wait how an event ended. The dispatcher calls it
// when the end is durable.
func (a *Acceptor) Settled(e event.Event, o event.Outcome) { a.waiters.tell(e.ID, ending{outcome: o}) }

// Accept makes one event durable and answers 202, or, where the route waits
// first, with what the application answered.
func (a *Acceptor) Accept(ctx context.Context, req Request) (Answer, *Problem) {
	if problem := CheckData(req.Body); problem != nil {
		a.metrics.count(&Answer{}, problem, time.Since(req.Received))
		return Answer{}, problem
	}
	e := NewEvent(a.route.Name(), &req)
	if e.ID == "" {
		e.ID = newID()
	}
	return a.AcceptEvent(ctx, e, req.Key != "", req)
}

// CheckData refuses data that is not JSON: every destination, filter and
// transform relies on it. JSON is UTF-8 (RFC 8259 §8.1); other bytes would be
// kept here and replaced or refused further on.
func CheckData(data []byte) *Problem {
	if isJSON(data) {
		return nil
	}
	what := "the body is not JSON"
	if len(data) == 0 {
		what = "the body is empty"
	}
	return &Problem{Status: 400, Code: CodeBadEvent, Field: "data", What: what, Happened: event.HappenedNo, Next: "send the event's data as one JSON value"}
}

// AcceptEvent is [Acceptor.Accept] for an event that its maker has named; keyed
// says that the id may come again.
func (a *Acceptor) AcceptEvent(ctx context.Context, e event.Event, keyed bool, req Request) (Answer, *Problem) {
	answer, outcome, problem := a.accept(ctx, e, keyed, &req)
	a.metrics.seconds.Observe(time.Since(req.Received).Seconds())
	switch {
	case problem != nil:
		outcome = problem.Code
		fallthrough
	case outcome != "accepted":
		a.metrics.requests.WithLabelValues(outcome).Inc()
	default:
		a.metrics.accepted.Inc()
	}
	return answer, problem
}

func (a *Acceptor) accept(ctx context.Context, e event.Event, keyed bool, req *Request) (_ Answer, outcome string, _ *Problem) {
	kept, ok := a.route.Accept(e)
	if !ok {
		return a.answer(200, e.ID, "filtered", false), "filtered", nil
	}
	var told <-chan ending
	if a.cfg.Wait > 0 {
		waiter := a.waiters.add(kept.ID) // before the event can end
		defer a.waiters.remove(kept.ID, waiter)
		told = waiter
	}
	receipts, err := a.intake.Accept(ctx, []route.Arrival{a.arrival(kept, keyed)})
	switch {
	case err != nil:
		return Answer{}, "", storeProblem(err)
	case len(receipts) != 1:
		return Answer{}, "", storeProblem(fmt.Errorf("%d receipts for one event", len(receipts)))
	case receipts[0].Conflict:
		return Answer{}, "", keyReused()
	}
	outcome = "accepted"
	if receipts[0].Duplicate {
		outcome = "duplicate"
	}
	if a.cfg.Wait > 0 {
		if answer, ended, problem := a.await(ctx, kept.ID, told, receipts[0].Duplicate, req); ended {
			return answer, "answered", problem
		}
	}
	return a.answer(202, kept.ID, string(delivery.Waiting), receipts[0].Duplicate), outcome, nil
}

// arrival is an event on its way into the store. Only an id that may come again
// is compared and remembered.
func (a *Acceptor) arrival(e event.Event, keyed bool) route.Arrival {
	arrival := route.Arrival{Event: e}
	if keyed {
		sum := sha256.Sum256(e.Data)
		arrival.Digest, arrival.Remember = sum[:16], a.cfg.Remember
	}
	return arrival
}

// answer is the gateway's own word on one event.
func (a *Acceptor) answer(status int, id, state string, replayed bool) Answer {
	place := a.cfg.Prefix + "/" + url.PathEscape(id)
	body := make([]byte, 0, 48+len(id)+len(state)+len(place))
	body = append(body, `{"id":`...)
	body = appendText(body, id)
	body = append(body, `,"state":"`...)
	body = append(body, state...)
	body = append(body, `","status_url":`...)
	body = appendText(body, place)
	body = append(body, '}', '\n')
	header := map[string][]string{"Content-Type": jsonType}
	if state != "filtered" {
		header["Location"] = []string{place}
	}
	return Answer{Status: status, Header: header, Body: body, Replayed: replayed, Ours: true}
}

// appendText appends a JSON string.
func appendText(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // strings always can be
			return append(to, text...)
		}
	}
	return append(append(append(to, '"'), s...), '"')
}

var jsonType = []string{"application/json"}

// newID names an event that its maker has not named.
func newID() string { return ulid.Make().String() }
