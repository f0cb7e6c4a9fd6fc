package app

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/connect/records"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// refillFromRecords is the setting under which missed change events come from the record APIs.
const refillFromRecords = "records"

// newRefiller builds what brings back a topic's missed events: for change events
// the records, if one of the topic's routes wants it. Nil means that nothing does.
func newRefiller(topic salesforce.Topic, fed []binding, key string, org *wires) (subscription.Refiller, error) {
	cfg := records.Config{Topic: topic, KeyField: key, Budget: draw{org.budget, budget.Refill}}
	wanted := false
	for _, b := range fed {
		if r := b.settings.Refill; r.From == refillFromRecords {
			wanted = true
			cfg.BulkOver = max(cfg.BulkOver, r.BulkOver)
			cfg.Objects = append(cfg.Objects, r.Objects...)
		}
	}
	if !wanted || !carriesChanges(topic) {
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
