package subscription_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

// topicsIn counts the series of each topic.
func topicsIn(t *testing.T, registry *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "topic" && strings.HasPrefix(family.GetName(), "sallyport_subscription_") {
					series[label.GetValue()]++
				}
			}
		}
	}
	return series
}

func TestMetrics_ForgetOneTopic(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	metrics := subscription.NewMetrics(registry)
	journal := subscriptiontest.NewJournal()
	build := func(topic string) {
		t.Helper()
		if _, err := subscription.New(subscription.Config{Topic: topic, Holder: "test"}, subscription.Deps{
			Source: subscriptiontest.NewBus(), Journal: journal, Leases: journal, Routes: []subscription.Route{keep{name: "orders"}},
			Metrics: metrics, Log: slog.New(slog.DiscardHandler),
		}); err != nil {
			t.Fatal(err)
		}
	}
	build("/event/A__chn")
	build("/event/B__chn")
	before := topicsIn(t, registry)
	if before["/event/A__chn"] == 0 || before["/event/A__chn"] != before["/event/B__chn"] {
		t.Fatalf("series: %v", before)
	}
	metrics.Forget("/event/A__chn")
	after := topicsIn(t, registry)
	if after["/event/A__chn"] != 0 || after["/event/B__chn"] != before["/event/B__chn"] {
		t.Errorf("series after: %v", after)
	}
	build("/event/A__chn") // it has come back
	if again := topicsIn(t, registry); again["/event/A__chn"] != before["/event/A__chn"] {
		t.Errorf("series when it is back: %v", again)
	}
}

// A route that reads a channel anew, at its oldest event, is not given again what it
// had of the same events from another topic before.
func TestSubscriber_KnowsWhatItsRouteHadFromAnotherTopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := newRig(t, subscription.Config{Earliest: true})
		first.bus.Publish(published(0, 3)...)
		first.start()
		first.halt()
		channel := (&rig{t: t, journal: first.journal, bus: subscriptiontest.NewBus()}).with(subscription.Config{Name: "/event/Orders__chn", Earliest: true})
		channel.bus.Publish(published(1, 5)...) // two of the same, and three more
		channel.start()
		channel.halt()
		if got := first.journal.Events("orders"); len(got) != 6 {
			t.Errorf("the route has %q, want each of six once", got)
		}
		if _, duplicates := first.journal.Counts(); duplicates["orders"] != 2 {
			t.Errorf("duplicates: %v, want 2", duplicates)
		}
	})
}
