package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/roster"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// Redriver returns dead letters to waiting.
type Redriver interface {
	Redrive(ctx context.Context, f delivery.DeadFilter) (int, error)
}

// GapKeeper keeps the holes in subscriptions' streams.
type GapKeeper interface {
	Gaps(ctx context.Context, subscription string) ([]subscription.Gap, error)
	UpdateGap(ctx context.Context, g subscription.Gap) error
}

// Config is what a service answers from. Archive, Redriver, Gaps and Ping are
// required. Without Dispatchers and Subscriptions the service speaks for a store
// whose gateway may not run (Status.Live is false).
type Config struct {
	Archive  delivery.Archive
	Redriver Redriver
	Gaps     GapKeeper
	// Ping fails when the store cannot be used now.
	Ping func(ctx context.Context) error

	Dispatchers   func() []delivery.Status
	Subscriptions func() []subscription.Status
	Workers       func() []Worker
	// Alarms lists the alarms that are active; nil where nobody watches.
	Alarms func(ctx context.Context) ([]watch.Alarm, error)
	// Patterns is how topics that are patterns stand; nil where none is.
	Patterns func() *roster.Status
	// Broker is how RabbitMQ stands, Loads what routes that wait there have to do, and
	// Scaling what is done about it; nil where there is nothing of it.
	Broker  func() *Broker
	Loads   func(ctx context.Context) ([]scale.Load, error)
	Scaling func() []scale.Status
	// Budget is how the org's API requests are used; nil where nobody knows.
	Budget func() budget.Status

	Version string
	Started time.Time
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Archive == nil:
		return fmt.Errorf("control: archive is required")
	case c.Redriver == nil:
		return fmt.Errorf("control: redriver is required")
	case c.Gaps == nil:
		return fmt.Errorf("control: gaps are required")
	case c.Ping == nil:
		return fmt.Errorf("control: ping is required")
	}
	return nil
}

// OpenedStore answers [API] from a store that was opened for it alone.
type OpenedStore struct {
	API API
	// Close gives the store back; call it after the last question.
	Close func() error
}

// Service answers [API] from the engines and the store of this process.
type Service struct{ config Config }

var _ API = (*Service)(nil)

// NewService returns a service, or an error if something required is missing.
func NewService(c Config) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{config: c}, nil
}

func (s *Service) live() bool { return s.config.Dispatchers != nil || s.config.Subscriptions != nil }

// Status implements [API]. A store that cannot be read is part of the answer,
// not a failure: the rest of the status is what an operator needs then.
func (s *Service) Status(ctx context.Context) (Status, error) {
	ready := s.Ready(ctx)
	out := Status{
		Live: s.live(), At: s.config.Now().UTC(), Version: s.config.Version, Started: s.config.Started,
		Ready: ready.Ready, Reasons: ready.Reasons, Workers: s.workers(), Subscriptions: []subscription.Status{},
	}
	if s.config.Subscriptions != nil {
		out.Subscriptions = append(out.Subscriptions, s.config.Subscriptions()...)
	}
	ledgers, err := s.config.Archive.Ledgers(ctx)
	if err != nil {
		if !s.live() {
			return Status{}, fault("read the ledgers", err)
		}
		out.Reasons = append(out.Reasons, "the ledgers cannot be read")
	}
	out.Routes = s.routes(ledgers)
	gaps, err := s.config.Gaps.Gaps(ctx, "")
	if err != nil {
		out.Reasons = append(out.Reasons, "the gaps cannot be read")
	}
	out.OpenGaps, _ = countGaps(gaps)
	alarms, err := s.alarms(ctx)
	if err != nil {
		out.Reasons = append(out.Reasons, "the alarms cannot be read")
	}
	out.Alarms = alarms
	if s.config.Patterns != nil {
		out.Patterns = s.config.Patterns()
	}
	if s.config.Budget != nil {
		b := s.config.Budget()
		out.Budget = &b
	}
	if s.config.Broker != nil {
		out.Broker = s.config.Broker()
	}
	if s.config.Scaling != nil {
		out.Scaling = s.config.Scaling()
	}
	return out, nil
}

func (s *Service) workers() []Worker {
	if s.config.Workers == nil {
		return []Worker{}
	}
	return append([]Worker{}, s.config.Workers()...)
}

// routes joins what the dispatchers are doing with what the ledgers say; a
// route with only one of the two appears all the same.
func (s *Service) routes(ledgers []delivery.Ledger) []RouteStatus {
	byName := map[string]*RouteStatus{}
	get := func(name string) *RouteStatus {
		if byName[name] == nil {
			byName[name] = &RouteStatus{Route: name, Activity: s.activityWithoutDispatcher(), Ledger: Ledger{Route: name}}
		}
		return byName[name]
	}
	for _, l := range ledgers {
		get(l.Route).Ledger = ledgerView(l)
	}
	if s.config.Dispatchers != nil {
		for _, d := range s.config.Dispatchers() {
			r := get(d.Route)
			r.Activity, r.Since, r.Why, r.Hint = string(d.Activity), d.Since, d.Why, d.Hint
			r.InFlight, r.Concurrency, r.NextProbe = d.InFlight, d.Concurrency, d.NextProbe
		}
	}
	out := make([]RouteStatus, 0, len(byName))
	for _, r := range byName {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b RouteStatus) int { return strings.Compare(a.Route, b.Route) })
	return out
}

// activityWithoutDispatcher: in a running gateway, a route that only the ledger
// knows was removed from the configuration, and nobody delivers it.
func (s *Service) activityWithoutDispatcher() string {
	if s.live() {
		return string(delivery.Halted)
	}
	return ActivityUnknown
}

// Events implements [API].
func (s *Service) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if err := q.validate(); err != nil {
		return EventPage{}, err
	}
	records, err := s.config.Archive.List(ctx, delivery.ListFilter{
		Route: q.Route, State: delivery.State(q.State), Before: q.Before, Limit: q.Limit,
	})
	if err != nil {
		return EventPage{}, fault("list events", err)
	}
	page := EventPage{Events: make([]Event, len(records))}
	for i, r := range records {
		page.Events[i] = eventView(r, false)
	}
	if len(records) == q.Limit {
		page.Next = records[len(records)-1].Seq
	}
	return page, nil
}

func (q EventQuery) validate() error {
	states := []delivery.State{"", delivery.Waiting, delivery.InFlight, delivery.Delivered, delivery.DeadState}
	switch {
	case !slices.Contains(states, delivery.State(q.State)):
		return &Error{Kind: ErrBadRequest, What: fmt.Sprintf("%q is not a state", q.State), Hint: "use waiting, in-flight, delivered or dead"}
	case q.Limit < 1 || q.Limit > MaxLimit:
		return &Error{Kind: ErrBadRequest, What: fmt.Sprintf("limit %d is out of range", q.Limit), Hint: fmt.Sprintf("use 1 to %d, and before= for the next page", MaxLimit)}
	case q.Before < 0:
		return &Error{Kind: ErrBadRequest, What: "before is negative", Hint: "use the next of the page before"}
	}
	return nil
}

// Event implements [API].
func (s *Service) Event(ctx context.Context, id string, payload bool) ([]Event, error) {
	records, err := s.config.Archive.Find(ctx, id)
	if err != nil {
		return nil, fault("find the event", err)
	}
	if len(records) == 0 {
		return nil, &Error{
			Kind: ErrNotFound, What: fmt.Sprintf("no event %q", id),
			Hint: "retention may have removed it, or a filter kept it out: see sallyport events list and the route's filtered count",
		}
	}
	out := make([]Event, len(records))
	for i, r := range records {
		out[i] = eventView(r, payload)
	}
	return out, nil
}

// who makes what a caller says of itself fit for one line.
func who(by string) string {
	by = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, by)
	return by[:min(len(by), maxBy)]
}

// maxBy bounds who asks.
const maxBy = 256

// Redrive implements [API]. An empty selection is refused, so that a forgotten
// argument never redrives everything.
func (s *Service) Redrive(ctx context.Context, r RedriveRequest) (RedriveResult, error) {
	if r.All == (len(r.IDs) > 0) {
		return RedriveResult{}, &Error{Kind: ErrBadRequest, What: "select dead letters either by ids or with all", Hint: "name event ids, or say all"}
	}
	if slices.Contains(r.IDs, "") {
		return RedriveResult{}, &Error{Kind: ErrBadRequest, What: "an event id is empty", Hint: "see sallyport deadletters list"}
	}
	moved, err := s.config.Redriver.Redrive(ctx, delivery.DeadFilter{Route: r.Route, IDs: r.IDs, By: who(r.By)})
	if err != nil {
		return RedriveResult{}, fault("redrive", err)
	}
	return RedriveResult{Moved: moved}, nil
}

// Audit implements [API].
func (s *Service) Audit(ctx context.Context) (AuditReport, error) {
	findings, err := s.config.Archive.Audit(ctx)
	if err != nil {
		return AuditReport{}, fault("audit the store", err)
	}
	ledgers, err := s.config.Archive.Ledgers(ctx)
	if err != nil {
		return AuditReport{}, fault("read the ledgers", err)
	}
	gaps, err := s.config.Gaps.Gaps(ctx, "")
	if err != nil {
		return AuditReport{}, fault("list the gaps", err)
	}
	out := AuditReport{At: s.config.Now().UTC(), AddsUp: len(findings) == 0, Findings: []Finding{}, Ledgers: []Ledger{}}
	for _, f := range findings {
		out.Findings = append(out.Findings, Finding{Route: f.Route, What: f.What})
	}
	for _, l := range ledgers {
		out.Ledgers = append(out.Ledgers, ledgerView(l))
	}
	out.OpenGaps, out.LostGaps = countGaps(gaps)
	return out, nil
}

// Gaps implements [API].
func (s *Service) Gaps(ctx context.Context, subscription string) ([]Gap, error) {
	gaps, err := s.config.Gaps.Gaps(ctx, subscription)
	if err != nil {
		return nil, fault("list the gaps", err)
	}
	out := make([]Gap, len(gaps))
	for i, g := range gaps {
		out[i] = gapView(g)
	}
	return out, nil
}
