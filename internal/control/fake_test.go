package control_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// memory is a store in memory: enough of one to ask questions of.
type memory struct {
	records  []delivery.Record
	ledgers  []delivery.Ledger
	gaps     []subscription.Gap
	findings []delivery.Finding
	err      error
	// wait, if set, makes every read wait for the context.
	wait     bool
	redriven []delivery.DeadFilter
}

func (m *memory) ready(ctx context.Context) error {
	if m.wait {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.err
}

func (m *memory) List(ctx context.Context, f delivery.ListFilter) ([]delivery.Record, error) {
	var out []delivery.Record
	for _, r := range m.records {
		if (f.Route == "" || r.Event.Route == f.Route) && (f.State == "" || r.State == f.State) && (f.Before == 0 || r.Seq < f.Before) {
			r.Event.Data, r.History = nil, nil
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b delivery.Record) int { return cmp.Compare(b.Seq, a.Seq) })
	return out[:min(len(out), f.Limit)], m.ready(ctx)
}

func (m *memory) Find(ctx context.Context, id string) ([]delivery.Record, error) {
	var out []delivery.Record
	for _, r := range m.records {
		if r.Event.ID == id {
			out = append(out, r)
		}
	}
	return out, m.ready(ctx)
}

func (m *memory) Ledgers(ctx context.Context) ([]delivery.Ledger, error) {
	return m.ledgers, m.ready(ctx)
}

func (m *memory) Audit(ctx context.Context) ([]delivery.Finding, error) {
	return m.findings, m.ready(ctx)
}

func (m *memory) Gaps(ctx context.Context, name string) ([]subscription.Gap, error) {
	out := slices.DeleteFunc(slices.Clone(m.gaps), func(g subscription.Gap) bool { return name != "" && g.Subscription != name })
	return out, m.ready(ctx)
}

func (m *memory) UpdateGap(ctx context.Context, g subscription.Gap) error {
	for i := range m.gaps {
		if m.gaps[i].Number == g.Number {
			m.gaps[i] = g
		}
	}
	return m.ready(ctx)
}

func (m *memory) Redrive(ctx context.Context, f delivery.DeadFilter) (int, error) {
	m.redriven = append(m.redriven, f)
	return len(m.redriven), m.ready(ctx)
}

func (m *memory) Ping(context.Context) error { return m.err }

// filled is a store with something of everything.
func filled() *memory {
	down := event.Outcome{Verdict: event.Retry, Status: 500, Happened: event.HappenedUnknown, Reason: "the application answered 500", Hint: "read its log"}
	return &memory{
		records: []delivery.Record{
			record(1, "e-1", "orders", delivery.Delivered),
			record(2, "e-2", "orders", delivery.Waiting),
			{
				Seq: 3, State: delivery.DeadState, Accepted: noon, Attempts: 12, Redelivered: 1, Ended: noon.Add(time.Hour), LastOutcome: down,
				Event: event.Event{ID: "e-3", Route: "orders", Type: "com.salesforce.event.Order_Event__e", Source: "salesforce/00D/event/Order_Event__e", Subject: "801", Key: "k", Time: noon, Refilled: true, Data: []byte(`{"Amount__c":7}`)},
				History: []delivery.Attempt{
					{Number: 1, Started: noon, Ended: noon.Add(time.Second), Outcome: down},
				},
			},
			record(3, "e-3", "audit", delivery.Delivered),
			record(4, "odd/id ?", "audit", delivery.InFlight),
		},
		ledgers: []delivery.Ledger{
			{Route: "audit", Accepted: 2, Delivered: 1, Waiting: 1},
			{Route: "orders", Accepted: 3, Delivered: 1, Dead: 1, Waiting: 1, Redelivered: 1, Filtered: 4, Duplicates: 2, OldestWaiting: noon},
		},
		gaps: []subscription.Gap{
			{Number: 2, Subscription: "/event/B__e", State: subscription.GapOpen, Cause: "position-expired", Opened: noon},
			{Number: 1, Subscription: "/event/A__e", State: subscription.GapLost, Cause: "org-moved", Detail: "d", From: noon, Until: noon.Add(time.Hour), Opened: noon, Closed: noon.Add(time.Hour), Refilled: 3},
		},
	}
}

func record(seq int64, id, route string, state delivery.State) delivery.Record {
	return delivery.Record{
		Seq: seq, State: state, Accepted: noon, Attempts: 1,
		Event: event.Event{ID: id, Route: route, Type: "com.salesforce.event.Order_Event__e", Source: "salesforce/00D/event/Order_Event__e", Time: noon, Data: []byte(`{}`)},
	}
}

func service(t *testing.T, m *memory, more ...func(*control.Config)) *control.Service {
	t.Helper()
	c := control.Config{Archive: m, Redriver: m, Gaps: m, Ping: m.Ping, Now: func() time.Time { return noon }}
	for _, f := range more {
		f(&c)
	}
	s, err := control.NewService(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// live makes a service speak for a running gateway.
func live(c *control.Config) {
	c.Version, c.Started = "v1", noon.Add(-time.Hour)
	c.Dispatchers = func() []delivery.Status {
		return []delivery.Status{
			{Route: "orders", Activity: delivery.Paused, Since: noon, Why: "connection refused", Hint: "start the application", InFlight: 1, Concurrency: 16, NextProbe: noon.Add(time.Second)},
			{Route: "fresh", Activity: delivery.Running, Since: noon, Concurrency: 4},
		}
	}
	c.Subscriptions = func() []subscription.Status {
		return []subscription.Status{{Name: "/event/A__e", Topic: "/event/A__e", Routes: []string{"orders"}, State: subscription.Live, Since: noon, Position: "00ff", WindowLeft: time.Hour, Events: 9}}
	}
	c.Workers = func() []control.Worker { return []control.Worker{{Name: "retention", State: control.WorkerRunning}} }
}
