package app

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/records"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// The settings of where missed events come from.
const (
	refillFromRecords = "records"
	refillFromOutbox  = "outbox"
)

// newRefiller builds what brings back a topic's missed events, if one of the
// topic's routes wants it. Nil means that nothing does.
func newRefiller(topic salesforce.Topic, fed []binding, key string, org *wires) (subscription.Refiller, error) {
	if carriesChanges(topic) {
		return recordRefiller(topic, fed, key, org)
	}
	for _, b := range fed {
		if r := b.settings.Refill; r.ForPlatformEvents() {
			return rowRefiller(topic, r, key, org)
		}
	}
	return nil, nil // nothing brings them back, which is no failure
}

// rowRefiller brings platform events back from rows. Routes on one topic agree on them.
func rowRefiller(topic salesforce.Topic, r config.Refill, key string, org *wires) (subscription.Refiller, error) {
	cfg := records.RowsConfig{
		Topic: topic, Map: r.Map, Events: r.Objects, KeyField: key, BulkOver: r.BulkOver, Budget: draw{org.budget, budget.Refill},
	}
	if topic.Kind() == salesforce.PlatformEventTopic {
		cfg.Events = nil // the topic says which one
	}
	if r.From == refillFromOutbox {
		cfg.Outbox, cfg.Map = r.Outbox, ""
		return records.NewRows(cfg, org.rest, org.bulk)
	}
	var err error
	if cfg.Query, err = salesforce.ParseSpanQuery(r.SOQL); err != nil {
		return nil, err
	}
	return records.NewRows(cfg, org.rest, org.bulk)
}

// recordRefiller brings change events back from the records.
func recordRefiller(topic salesforce.Topic, fed []binding, key string, org *wires) (subscription.Refiller, error) {
	cfg := records.Config{Topic: topic, KeyField: key, Budget: draw{org.budget, budget.Refill}}
	wanted := false
	for _, b := range fed {
		if r := b.settings.Refill; r.From == refillFromRecords {
			wanted = true
			cfg.BulkOver = max(cfg.BulkOver, r.BulkOver)
			cfg.Objects = append(cfg.Objects, r.Objects...)
		}
	}
	if !wanted {
		return nil, nil // nothing brings them back, which is no failure
	}
	slices.Sort(cfg.Objects)
	cfg.Objects = slices.Compact(cfg.Objects)
	if topic.Object() != "" {
		cfg.Objects = nil // the topic says which one
	}
	return records.New(cfg, org.rest, org.bulk)
}

// carriesChanges reports whether change events flow on a topic.
func carriesChanges(topic salesforce.Topic) bool { return strings.HasPrefix(topic.String(), "/data/") }
