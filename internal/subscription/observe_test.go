package subscription_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

// values returns every sample by "name{label=value,...}", histograms by count.
func values(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "topic" {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all[strings.TrimPrefix(f.GetName(), "sallyport_subscription_")+"{"+strings.Join(labels, ",")+"}"] = v
		}
	}
	return all
}

func TestMetrics_EveryOneMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		journal, bus := subscriptiontest.NewJournal(), subscriptiontest.NewBus()
		journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		sub, err := subscription.New(subscription.Config{Topic: topic, Holder: "one"}, subscription.Deps{
			Source: bus, Journal: journal, Leases: journal, Routes: []subscription.Route{keep{name: "orders", but: "noise"}},
			Metrics: subscription.NewMetrics(reg), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sub.Run(ctx) }()
		synctest.Wait()
		if v := values(t, reg); v["state{state=recovering}"] != 1 || v["state{state=stopped}"] != 0 {
			t.Errorf("states: %v", v)
		}
		all := published(0, 3)
		all[2].Type = "noise"
		time.Sleep(5 * time.Second)
		bus.Publish(all...)
		synctest.Wait()
		bus.Publish(all[0])
		synctest.Wait()
		bus.Break(errors.New("reset"))
		time.Sleep(10 * time.Second)
		v := values(t, reg)
		for name, want := range map[string]float64{
			"events_total{}": 4, "accepted_total{route=orders}": 2, "filtered_total{route=orders}": 1, "duplicates_total{route=orders}": 1,
			"reconnects_total{}": 2, "gaps_total{outcome=lost}": 1, "state{state=recovering}": 0, "lag_seconds{}": 5,
			"append_events{}": 2, "append_seconds{}": 2,
		} {
			if v[name] != want {
				t.Errorf("%s is %g, want %g", name, v[name], want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if v := values(t, reg); v["state{state=stopped}"] != 1 {
			t.Errorf("states after the stop: %v", v)
		}
	})
}

func TestMetrics_OfARefillMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		journal, bus := subscriptiontest.NewJournal(), subscriptiontest.NewBus()
		journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		missing := refilled(3)
		refiller := subscriptiontest.NewRefiller(func(event.Span) []event.Event { return missing })
		refiller.Fail(errors.New("reset"))
		sub, err := subscription.New(subscription.Config{Topic: topic, Holder: "one"}, subscription.Deps{
			Source: bus, Refiller: refiller, Journal: journal, Leases: journal, Routes: []subscription.Route{keep{name: "orders"}},
			Metrics: subscription.NewMetrics(reg), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		bus.Publish(published(0, 1)...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sub.Run(ctx) }()
		synctest.Wait()
		if v := values(t, reg); v["state{state=refilling}"] != 1 {
			t.Errorf("states: %v", v)
		}
		time.Sleep(time.Minute)
		v := values(t, reg)
		for name, want := range map[string]float64{
			"refilled_total{route=orders}": 3, "refill_failures_total{}": 1, "gaps_total{outcome=refilled}": 1, "accepted_total{route=orders}": 4,
		} {
			if v[name] != want {
				t.Errorf("%s is %g, want %g", name, v[name], want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSubscriber_ContinuesThePublishersTraceOrBeginsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		journal, bus := subscriptiontest.NewJournal(), subscriptiontest.NewBus()
		sub, err := subscription.New(subscription.Config{Topic: topic, Holder: "one", Earliest: true}, subscription.Deps{
			Source: bus, Journal: journal, Leases: journal, Routes: []subscription.Route{keep{name: "orders"}},
			Tracer: provider.Tracer("test"), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		bus.Publish(
			event.Event{ID: "traced", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			event.Event{ID: "new"},
		)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sub.Run(ctx) }()
		synctest.Wait()
		cancel()
		<-done
		for i, s := range spans.Ended() {
			stored := journal.All()[i].TraceParent
			want := "00-" + s.SpanContext().TraceID().String() + "-" + s.SpanContext().SpanID().String() + "-01"
			if stored != want {
				t.Errorf("event %d goes on with %q, want its intake span %q", i, stored, want)
			}
		}
		if s := spans.Ended()[0]; s.Parent().SpanID().String() != "b7ad6b7169203331" {
			t.Errorf("intake is not a child of the publisher's span: %v", s.Parent())
		}
	})
}

func TestConfig_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	journal := subscriptiontest.NewJournal()
	_, err := subscription.New(subscription.Config{MaxEvents: -1, Watchdog: -1, BackoffFirst: time.Hour}, subscription.Deps{
		Source: subscriptiontest.NewBus(), Journal: journal, Leases: journal,
		Routes: []subscription.Route{keep{name: "orders"}}, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"no topic", "no holder", "pending events", "watchdog", "largest backoff"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not mention %q:\n%v", want, err)
		}
	}
}
