package route

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// The values of OrderBy that are not names of fields.
const (
	// OrderByRecord keeps the order of each record: by the key the source gave the
	// event, which is the record's Id wherever there is one, and else by its subject.
	OrderByRecord = "record"
	// OrderByNone delivers in any order.
	OrderByNone = "none"
)

// Config describes a route. Zero means the default.
type Config struct {
	// Name of the route; required: letters, digits, "-", "_" and ".".
	Name string
	// Topics the route takes events from; none where events are handed over.
	Topics []string
	// Filter is a jq program on the event's data; the event is taken if its first
	// result is neither null nor false. Empty takes every event. The variable
	// $event holds the other attributes of the event.
	Filter string
	// Transform is a jq program whose one result replaces the event's data at
	// delivery; a result of null, or none, makes the event a dead letter. Empty
	// delivers the data as it is. $event as in Filter.
	Transform string
	// OrderBy is "record" (the default), "none", or the name of a field of the
	// data (of "fields" in a change event) whose value is the ordering key. An event
	// without that field is ordered as by "record": a change event carries only
	// what changed, so the field should be one that rarely does, or be enriched.
	OrderBy string
	// Grouped: the route takes the changes of a Salesforce transaction as one event, and
	// filter and transform see that one. It is ordered by its topic.
	Grouped bool
	// Limit bounds one run of a jq program; default 250 ms.
	Limit time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.OrderBy == "" {
		c.OrderBy = OrderByRecord
	}
	if c.Limit == 0 {
		c.Limit = 250 * time.Millisecond
	}
	return c
}

var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
	fieldForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)
)

// Validate reports everything in c that cannot work, jq programs that do not
// compile included.
func (c Config) Validate() error {
	var errs []error
	if !nameForm.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("route name %q: want letters, digits, '-', '_' and '.', at most 63", c.Name))
	}
	if !fieldForm.MatchString(c.OrderBy) {
		errs = append(errs, fmt.Errorf("order by %q: want record, none, or the name of a field", c.OrderBy))
	}
	if c.Limit <= 0 {
		errs = append(errs, fmt.Errorf("time limit of jq programs is not positive: %s", c.Limit))
	}
	for what, source := range map[string]string{"filter": c.Filter, "transform": c.Transform} {
		if _, err := compile(what, source, c.Limit); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Route is a compiled route. It is safe for concurrent use.
type Route struct {
	cfg       Config
	filter    *program // nil: takes everything
	transform *program // nil: leaves the data as it is
}

// New compiles a route.
func New(cfg Config) (*Route, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check settings of route %q: %w", cfg.Name, err)
	}
	r := &Route{cfg: cfg}
	var errs [2]error
	r.filter, errs[0] = compile("filter", cfg.Filter, cfg.Limit)
	r.transform, errs[1] = compile("transform", cfg.Transform, cfg.Limit)
	return r, errors.Join(errs[:]...)
}

// Name returns the route's name.
func (r *Route) Name() string { return r.cfg.Name }

// Topics returns the topics the route takes events from.
func (r *Route) Topics() []string { return r.cfg.Topics }

// Grouped reports whether the route takes the changes of a transaction as one event.
func (r *Route) Grouped() bool { return r.cfg.Grouped }

// Ordered reports whether events with equal keys must be delivered in order.
func (r *Route) Ordered() bool { return r.cfg.OrderBy != OrderByNone }

// Accept decides whether the route takes an event, and returns it addressed to
// the route: with its Route and its ordering key. Only a filter that says no
// keeps an event out. An undecodable event and one that the filter fails on are taken.
func (r *Route) Accept(e event.Event) (kept event.Event, ok bool) {
	if r.filter != nil && e.Type != event.TypeUndecodable && e.Type != typeMalformedReply && r.refuses(e) {
		return event.Event{}, false
	}
	e.Key = r.key(&e)
	e.Route = r.cfg.Name
	return e, true
}

// refuses asks the filter. It takes a copy, so that a route without a filter
// does not pay for an event on the heap.
func (r *Route) refuses(e event.Event) bool {
	take, err := r.filter.decide(newInput(&e))
	return err == nil && !take
}
