package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/applink"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/store/encrypted"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// What a process that dies without a word leaves behind stays its own for so
// long; only then do others on the same store go on with it. Both are renewed
// at a third of their length, so they bound how long a process may be paused
// before it loses its place, not how long an attempt may take.
const (
	claimLease = 10 * time.Second
	topicLease = 6 * time.Second
)

// binding is a route with its settings.
type binding struct {
	settings config.Route
	route    *route.Route
}

// addRoutes builds a dispatcher for every route and a subscriber for every
// topic; routes on one topic share its subscription, because delivered events
// are counted against the org's allowance.
func (g *Gateway) addRoutes(ctx context.Context, s config.Settings, owner string, registry *prometheus.Registry, tracing *tracing) error {
	bindings, err := compileRoutes(s.Routes)
	if err != nil {
		return err
	}
	org, err := g.addOrg(s, registry)
	if err != nil {
		return err
	}
	if err := g.addBroker(ctx, s, bindings, owner); err != nil {
		return err
	}
	if err := g.addCallouts(ctx, s, bindings, org, registry); err != nil {
		return err
	}
	metrics := delivery.NewMetrics(registry)
	for _, b := range bindings {
		if b.settings.Waits == config.WaitsNone {
			continue // nothing of it waits for a dispatcher
		}
		if b.settings.Native() {
			if err := g.feedNative(b, owner); err != nil {
				return err
			}
			continue
		}
		follow, err := repliesOf(b, bindings)
		if err != nil {
			return err
		}
		out, err := g.newOutlet(b, org)
		if err != nil {
			return fmt.Errorf("route %q: %w", b.route.Name(), err)
		}
		for _, from := range g.rooms.placesOf(b.route.Name(), b.route.Ordered()) {
			if err := g.addDispatcher(b, out, from, follow, owner, metrics, tracing); err != nil {
				return err
			}
		}
		if b.settings.Arrives == config.ArrivesAMQP {
			if err := g.addFeed(b, owner); err != nil {
				return err
			}
		}
	}
	if err := g.addLoads(s, bindings, owner, registry); err != nil {
		return err
	}
	intake := subscription.NewMetrics(registry)
	readers := &readers{g: g, org: org, owner: owner, metrics: intake, tracing: tracing, bindings: bindings}
	for topic, fed := range byTopic(bindings) {
		if err := g.addSubscriber(topic, fed, readers); err != nil {
			return err
		}
	}
	if err := g.addChannels(s, readers, registry); err != nil {
		return err
	}
	slices.SortFunc(g.subscribers, func(a, b *subscription.Subscriber) int { return strings.Compare(a.Name(), b.Name()) })
	return nil
}

// addOrg builds the clients of the org; nil where the file names none.
func (g *Gateway) addOrg(s config.Settings, registry *prometheus.Registry) (*wires, error) {
	if !s.HasOrg() {
		return nil, nil
	}
	org, err := newWires(s.Org, s.Budget)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, org.close)
	if g.applink, err = applink.New(applink.Config{Version: s.Org.APIVersion, Username: s.Org.Username}, org.tokens, nil); err != nil {
		return nil, err
	}
	g.budget = org.budget
	registry.MustRegister(newBudgetCollector(org.budget))
	return org, g.addBudget(org)
}

func compileRoutes(routes map[string]config.Route) ([]binding, error) {
	shared := sharedKeys(routes)
	var bindings []binding
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		s := routes[name]
		orderBy := s.OrderBy
		if keyGiven(s, shared) {
			orderBy = route.OrderByRecord // the source's key is the field's value by then
		}
		r, err := route.New(route.Config{
			Name: name, Topics: topicsOf(s), Filter: s.Filter, Transform: s.Transform, OrderBy: orderBy, Grouped: s.Group.By == "transaction",
		})
		if err != nil {
			return nil, err
		}
		bindings = append(bindings, binding{settings: s, route: r})
	}
	return bindings, nil
}

// sharedKeys returns, by topic, the field that the topic's source takes the
// ordering key from while it decodes: the one that all its routes order by.
// Topics whose routes differ have none; there each route reads the payload.
func sharedKeys(routes map[string]config.Route) map[string]string {
	fields := map[string]string{}
	for _, s := range routes {
		for _, topic := range topicsOf(s) {
			fields[topic] = sharedKey(topic, routes)
		}
	}
	return fields
}

// sharedKey is the field that all routes order by which read the topic, or may come
// to read a channel that the pattern stands for.
func sharedKey(topic string, routes map[string]config.Route) string {
	var fields []string
	for _, s := range routes {
		if slices.ContainsFunc(topicsOf(s), func(other string) bool { return salesforce.TopicsMeet(topic, other) }) {
			fields = append(fields, orderField(s.OrderBy))
		}
	}
	return agreed(fields)
}

// agreed returns what all say, "" if they differ.
func agreed(all []string) string {
	for _, one := range all {
		if one != all[0] {
			return ""
		}
	}
	return all[0]
}

func orderField(orderBy string) string {
	if orderBy == route.OrderByRecord || orderBy == route.OrderByNone {
		return ""
	}
	return orderBy
}

// keyGiven says whether every topic of a route already orders by its field.
func keyGiven(s config.Route, shared map[string]string) bool {
	field := orderField(s.OrderBy)
	for _, topic := range topicsOf(s) {
		if shared[topic] != field {
			return false
		}
	}
	return field != ""
}

func topicsOf(s config.Route) []string {
	if s.Topic == "" {
		return s.Topics
	}
	return append([]string{s.Topic}, s.Topics...)
}

func byTopic(bindings []binding) map[string][]binding {
	fed := map[string][]binding{}
	for _, b := range bindings {
		for _, topic := range b.route.Topics() {
			if _, done := fed[topic]; !done && !salesforce.IsTopicPattern(topic) {
				fed[topic] = feeding(topic, bindings)
			}
		}
	}
	return fed
}

// feeding returns the routes that a topic feeds, by name or by a pattern.
func feeding(topic string, bindings []binding) (fed []binding) {
	for _, b := range bindings {
		if slices.ContainsFunc(b.route.Topics(), func(entry string) bool { return salesforce.TopicsMeet(topic, entry) }) {
			fed = append(fed, b)
		}
	}
	return fed
}

func (g *Gateway) addDispatcher(b binding, out outlet, from place, follow follower, owner string, metrics *delivery.Metrics, tracing *tracing) error {
	s, name := b.settings, b.route.Name()
	dispatcher, err := delivery.New(delivery.Config{
		Route: name, Ordered: b.route.Ordered(), Concurrency: s.Concurrency, Owner: owner, Lease: claimLease,
		AttemptTimeout: out.timeout, Batch: out.batch, BatchBytes: out.batchBytes,
		Schedule: delivery.Schedule{
			First: s.Retry.First, Max: s.Retry.Max, MaxAttempts: s.Retry.Attempts, MaxAge: orOff(s.Retry.MaxAge),
		},
		Breaker: breakerOf(s.Breaker),
	}, delivery.Deps{
		Queue: from.queue, Destination: encrypted.Destination(g.keys, b.route.To(g.kept(name, out.destination))), Follow: follow, Settled: g.settled(name),
		Metrics: metrics, Tracer: tracing.tracer, Log: g.log,
	})
	if err != nil {
		return err
	}
	if from.left != "" {
		return g.supervisor.Add(run.Spec{Worker: leftovers{dispatcher, from.left}, Stage: run.Delivery})
	}
	if to, ok := from.queue.(*moving); ok {
		g.troubles = append(g.troubles, trouble{name, to.trouble})
	}
	g.dispatchers = append(g.dispatchers, dispatcher)
	return g.supervisor.Add(run.Spec{Worker: dispatcher, Stage: run.Delivery})
}

func breakerOf(s config.Breaker) delivery.BreakerConfig {
	first := min(s.ProbeMax, delivery.BreakerConfig{}.WithDefaults().ProbeFirst)
	return delivery.BreakerConfig{Consecutive: orOff(s.Failures), ProbeFirst: first, ProbeMax: s.ProbeMax}
}

// orOff translates a setting that is 0 when switched off into the components'
// way of saying so: a negative number, since their zero is the default.
func orOff[T ~int | ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// addSubscriber adds the subscription of a topic that the file names.
func (g *Gateway) addSubscriber(topic string, fed []binding, readers *readers) error {
	subscriber, err := readers.subscriber(topic, fed, false)
	if err != nil {
		return err
	}
	g.subscribers = append(g.subscribers, subscriber)
	return g.supervisor.Add(run.Spec{Worker: subscriber, Stage: run.Intake})
}
