package delivery_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
	"github.com/sallyport-dev/sallyport/internal/event"
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
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all[strings.TrimPrefix(f.GetName(), "sallyport_delivery_")+"{"+strings.Join(labels, ",")+"}"] = v
		}
	}
	return all
}

func TestMetrics_EveryOneMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		queue := deliverytest.New()
		up := time.Now().Add(10 * time.Second)
		dest := deliverytest.Answering(func(_ context.Context, e event.Event, attempt int) event.Outcome {
			switch {
			case time.Now().Before(up):
				return refused
			case e.ID == "e-00000" && attempt == 1:
				return failed
			case e.ID == "e-00001":
				return event.Outcome{Verdict: event.Reject}
			case e.ID == "slow":
				time.Sleep(10 * time.Minute)
			}
			return delivered
		})
		d, err := delivery.New(
			delivery.Config{Route: route, Lease: time.Minute, AttemptTimeout: time.Hour},
			delivery.Deps{Queue: queue, Destination: dest, Metrics: delivery.NewMetrics(reg), Log: slog.New(slog.DiscardHandler)},
		)
		if err != nil {
			t.Fatal(err)
		}
		queue.Add(events(10, 0)...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(5 * time.Second)
		if v := values(t, reg); v["breaker_state{route=orders}"] != 1 {
			t.Errorf("breaker state is %g in an outage", v["breaker_state{route=orders}"])
		}
		time.Sleep(time.Minute)
		queue.Add(event.Event{ID: "slow", Route: route})
		synctest.Wait()
		if v := values(t, reg); v["in_flight{route=orders}"] != 1 || v["breaker_state{route=orders}"] != 0 {
			t.Errorf("in flight %g, breaker %g", v["in_flight{route=orders}"], v["breaker_state{route=orders}"])
		}
		// The claim of the slow attempt is lost while the store cannot be reached.
		queue.Fail(context.DeadlineExceeded)
		time.Sleep(2 * time.Minute)
		queue.Fail(nil)
		time.Sleep(20 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v := values(t, reg)
		for _, want := range []string{
			"attempts_total{outcome=delivered,route=orders}", "attempts_total{outcome=retry,route=orders}",
			"attempts_total{outcome=reject,route=orders}", "attempts_total{outcome=unavailable,route=orders}",
			"dead_total{route=orders}", "retries_total{route=orders}", "redeliveries_total{route=orders}",
			"stale_settlements_total{route=orders}", "lost_leases_total{route=orders}",
			"latency_seconds{route=orders}", "attempt_duration_seconds{route=orders}",
		} {
			if v[want] == 0 {
				t.Errorf("%s has not moved", want)
			}
		}
		if v["in_flight{route=orders}"] != 0 {
			t.Errorf("%g in flight at rest", v["in_flight{route=orders}"])
		}
	})
}

func TestDispatcher_MakesASpanOfEveryAttemptInTheEventsTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		queue := deliverytest.New()
		var inside []trace.SpanContext
		dest := deliverytest.Answering(func(ctx context.Context, _ event.Event, attempt int) event.Outcome {
			inside = append(inside, trace.SpanContextFromContext(ctx))
			if attempt == 1 {
				return failed
			}
			return delivered
		})
		d, err := delivery.New(delivery.Config{Route: route}, delivery.Deps{
			Queue: queue, Destination: dest, Tracer: provider.Tracer("test"), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		queue.Add(event.Event{ID: "1", Route: route, TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		<-done
		ended := spans.Ended()
		if len(ended) != 2 {
			t.Fatalf("%d spans for two attempts", len(ended))
		}
		for i, s := range ended {
			if s.Parent().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || s.Parent().SpanID().String() != "b7ad6b7169203331" {
				t.Errorf("span %d has the parent %+v", i, s.Parent())
			}
			if inside[i].SpanID() != s.SpanContext().SpanID() {
				t.Errorf("the destination of attempt %d was called outside its span", i+1)
			}
		}
		if ended[0].Status().Code != codes.Error || ended[1].Status().Code == codes.Error {
			t.Errorf("statuses %v and %v", ended[0].Status(), ended[1].Status())
		}
	})
}
