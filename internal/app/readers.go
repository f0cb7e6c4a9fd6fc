package app

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// readers builds the subscriptions of topics, whether the file names them or the org.
type readers struct {
	g        *Gateway
	org      *wires
	owner    string
	metrics  *subscription.Metrics
	tracing  *tracing
	bindings []binding
}

// subscriber builds the subscription of a topic for the routes that it feeds, which
// agree on how it is read. news says that all events of the topic are to be read,
// whatever the routes say.
func (r *readers) subscriber(topic string, fed []binding, news bool) (*subscription.Subscriber, error) {
	parsed, err := salesforce.ParseTopic(topic)
	if err != nil {
		return nil, err
	}
	routes, keys := make([]subscription.Route, len(fed)), make([]string, len(fed))
	cfg := subscription.Config{Topic: topic, Holder: r.owner, Earliest: news, LeaseTTL: topicLease}
	for i, b := range fed {
		routes[i], keys[i] = b.route, orderField(b.settings.OrderBy)
		cfg.Earliest = cfg.Earliest || b.settings.Start != "latest"
		if b.route.Grouped() { // those of one topic agree
			cfg.GroupQuiet, cfg.GroupMax = b.settings.Group.Quiet, b.settings.Group.Max
		}
	}
	key := agreed(keys)
	source, err := r.org.source(parsed, key, fed[0].settings)
	if err != nil {
		return nil, err
	}
	refiller, err := newRefiller(parsed, fed, key, r.org)
	if err != nil {
		return nil, err
	}
	cfg.SourceKeeps = fed[0].settings.Managed != ""
	if parsed.Legacy() {
		cfg.Window = 24 * time.Hour
	}
	return subscription.New(cfg, subscription.Deps{
		Source: source, Refiller: refiller, Journal: r.g.store, Leases: r.g.store, Routes: routes,
		Metrics: r.metrics, Tracer: r.tracing.tracer, Log: r.g.log,
	})
}
