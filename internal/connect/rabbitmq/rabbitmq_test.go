package rabbitmq_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/rabbitmq"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestEvent_SurvivesAnExchange(t *testing.T) {
	t.Parallel()
	e := event.Event{
		ID: "e1", Source: "salesforce/00D/orders", Type: "com.salesforce.event.Order__e", Subject: "001", Key: "k", OrgID: "00D",
		Time: time.Date(2026, 3, 1, 9, 0, 0, 5, time.UTC), TraceParent: "00-ab-cd-01", Data: []byte(`{"n":1}`),
	}
	got, known := rabbitmq.EventOf("orders", &rabbit.Delivery{Message: rabbitmq.MessageOf(&e, 1)}, time.Now())
	if diff := cmp.Diff(e, got); diff != "" || !known {
		t.Fatalf("known %v, differs (-want +got):\n%s", known, diff)
	}
}

// FuzzEvent reads what anybody may publish.
func FuzzEvent(f *testing.F) {
	f.Add("", "", "", "", []byte(`{}`))
	f.Add("m", "h", "t", "2026-03-01T09:00:00Z", []byte(nil))
	f.Fuzz(func(t *testing.T, property, header, typ, at string, body []byte) {
		d := rabbit.Delivery{Message: rabbit.Message{ID: property, Type: typ, Body: body, Headers: map[string]any{"ce-id": header, "ce-time": at, "ce-type": 7}}}
		e, known := rabbitmq.EventOf("orders", &d, time.Unix(1, 0))
		if e.ID == "" || e.Type == "" || e.Source == "" || e.Time.IsZero() && at == "" || known != (property != "" || header != "") || header != "" && e.ID != header {
			t.Fatalf("event %+v, known %v", e, known)
		}
	})
}

func TestDestination_TellsWhatBecameOfAnEvent(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	link, err := rabbit.Open(rabbit.Config{URL: func(context.Context) (string, error) { return broker.URL, nil }, Log: testkit.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	if err := link.Declare(t.Context(), rabbit.Topology{Exchange: "goods", Queues: []rabbit.Queue{{Name: "in"}}}); err != nil {
		t.Fatal(err)
	}
	p := rabbit.NewPublisher(link, rabbit.PublisherConfig{})
	defer p.Close()
	e := event.Event{ID: "e1", Data: []byte(`{}`), Time: time.Now()}
	if o := rabbitmq.NewDestination(p, "goods", "in").Deliver(t.Context(), e, 1); o.Verdict != event.Delivered {
		t.Fatalf("outcome %+v, want delivered", o)
	}
	if o := rabbitmq.NewDestination(p, "goods", "nowhere").Deliver(t.Context(), e, 1); o.Verdict != event.Reject || o.Happened != event.HappenedNo || o.Hint == "" {
		t.Fatalf("outcome %+v, want rejected", o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if o := rabbitmq.NewDestination(p, "no such exchange", "in").Deliver(ctx, e, 1); o.Verdict == event.Delivered || o.Reason == "" {
		t.Fatalf("outcome %+v of an exchange that does not exist", o)
	}
}
