package control_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func TestNewService_RefusesWhatCannotAnswer(t *testing.T) {
	t.Parallel()
	m := &memory{}
	good := control.Config{Archive: m, Redriver: m, Gaps: m, Ping: m.Ping}
	for name, spoil := range map[string]func(*control.Config){
		"archive": func(c *control.Config) { c.Archive = nil }, "redriver": func(c *control.Config) { c.Redriver = nil },
		"gaps": func(c *control.Config) { c.Gaps = nil }, "ping": func(c *control.Config) { c.Ping = nil },
	} {
		bad := good
		spoil(&bad)
		if _, err := control.NewService(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestStatus_JoinsDispatchersAndLedgers(t *testing.T) {
	t.Parallel()
	s, err := service(t, filled(), live).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range s.Routes {
		got[r.Route] = r.Activity
	}
	// audit is in the ledger alone: nobody delivers it any more.
	if d := cmp.Diff(map[string]string{"audit": "halted", "fresh": "running", "orders": "paused"}, got); d != "" {
		t.Errorf("activities (-want +got):\n%s", d)
	}
	orders := s.Routes[2]
	if orders.Why != "connection refused" || orders.Ledger.Filtered != 4 || orders.Ledger.OldestWaiting != noon || orders.InFlight != 1 {
		t.Errorf("orders: %+v", orders)
	}
	if !s.Live || !s.Ready || s.OpenGaps != 1 || len(s.Subscriptions) != 1 || len(s.Workers) != 1 || s.Version != "v1" {
		t.Errorf("status: %+v", s)
	}
}

func TestStatus_OfAStoreAloneSaysSo(t *testing.T) {
	t.Parallel()
	s, err := service(t, filled()).Status(t.Context())
	if err != nil || s.Live || s.Routes[0].Activity != control.ActivityUnknown || s.Routes[1].Ledger.Dead != 1 {
		t.Errorf("Status() = %+v, %v", s, err)
	}
}

func TestStatus_OfALiveGatewaySurvivesItsStore(t *testing.T) {
	t.Parallel()
	m := filled()
	m.err = &event.Error{Op: "ping", Err: errors.New("disk full"), Hint: "make room"}
	s, err := service(t, m, live).Status(t.Context())
	if err != nil || s.Ready || len(s.Routes) < 2 {
		t.Fatalf("Status() = %+v, %v", s, err)
	}
	if all := strings.Join(s.Reasons, "\n"); !strings.Contains(all, "disk full (make room)") || !strings.Contains(all, "ledgers cannot be read") {
		t.Errorf("reasons: %s", all)
	}
	if _, err := service(t, m).Status(t.Context()); err == nil {
		t.Error("a store that cannot be read and no gateway: want an error")
	}
}

func TestReady_FailsForAFailedWorkerOnly(t *testing.T) {
	t.Parallel()
	for state, want := range map[control.WorkerState]bool{
		control.WorkerRunning: true, control.WorkerRestarting: true, control.WorkerStopped: true, control.WorkerFailed: false,
	} {
		s := service(t, filled(), func(c *control.Config) {
			c.Workers = func() []control.Worker {
				return []control.Worker{{Name: "subscription", State: state, Why: "no such topic"}}
			}
		})
		r := s.Ready(t.Context())
		if r.Ready != want || (!want && !strings.Contains(r.Reasons[0], "subscription has failed: no such topic")) {
			t.Errorf("%s: %+v", state, r)
		}
	}
}

func TestEvents_PagesThroughEverythingOnce(t *testing.T) {
	t.Parallel()
	s := service(t, filled())
	var seen []int64
	q := control.EventQuery{Limit: 2, Route: "orders"}
	for {
		page, err := s.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			seen = append(seen, e.Seq)
			if e.Payload != nil {
				t.Errorf("a listing shows the payload of %s", e.ID)
			}
		}
		if page.Next == 0 {
			break
		}
		q.Before = page.Next
	}
	if d := cmp.Diff([]int64{3, 2, 1}, seen); d != "" {
		t.Errorf("seen (-want +got):\n%s", d)
	}
}

func TestEvents_RefusesNonsense(t *testing.T) {
	t.Parallel()
	s := service(t, filled())
	for _, q := range []control.EventQuery{{State: "lost"}, {Limit: -1}, {Limit: 1001}, {Before: -1}} {
		if _, err := s.Events(t.Context(), q); !errors.Is(err, control.ErrBadRequest) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestEvent_ShowsThePayloadOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	m := filled()
	m.records = append(m.records, delivery.Record{Seq: 9, Event: event.Event{ID: "raw", Data: []byte("not json")}})
	s := service(t, m)
	for _, c := range []struct {
		id      string
		payload bool
		want    string
	}{{"e-3", false, ""}, {"e-3", true, `{"Amount__c":7}`}, {"raw", true, `"not json"`}} {
		got, err := s.Event(t.Context(), c.id, c.payload)
		if err != nil || string(got[0].Payload) != c.want {
			t.Errorf("%s, %v: %s, %v", c.id, c.payload, got[0].Payload, err)
		}
	}
	if _, err := s.Event(t.Context(), "nobody", false); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
}

func TestRedrive_RefusesAnEmptyOrDoubtfulSelection(t *testing.T) {
	t.Parallel()
	m := filled()
	s := service(t, m)
	for _, r := range []control.RedriveRequest{{}, {Route: "orders"}, {All: true, IDs: []string{"e-3"}}, {IDs: []string{""}}} {
		if _, err := s.Redrive(t.Context(), r); !errors.Is(err, control.ErrBadRequest) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if len(m.redriven) != 0 {
		t.Fatalf("redriven: %+v", m.redriven)
	}
	for _, r := range []control.RedriveRequest{{All: true, Route: "orders"}, {IDs: []string{"e-3"}}} {
		if _, err := s.Redrive(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	want := []delivery.DeadFilter{{Route: "orders"}, {IDs: []string{"e-3"}}}
	if d := cmp.Diff(want, m.redriven); d != "" {
		t.Errorf("filters (-want +got):\n%s", d)
	}
}

func TestAudit_ReportsFindingsAndCountsGaps(t *testing.T) {
	t.Parallel()
	m := filled()
	good, err := service(t, m).Audit(t.Context())
	if err != nil || !good.AddsUp || good.OpenGaps != 1 || good.LostGaps != 1 || len(good.Ledgers) != 2 {
		t.Errorf("Audit() = %+v, %v", good, err)
	}
	m.findings = []delivery.Finding{{Route: "orders", What: "accepted 3, found 2"}}
	bad, err := service(t, m).Audit(t.Context())
	if err != nil || bad.AddsUp || bad.Findings[0].What != "accepted 3, found 2" {
		t.Errorf("Audit() = %+v, %v", bad, err)
	}
}

func TestService_NamesWhatFailedAndTheNextStep(t *testing.T) {
	t.Parallel()
	m := filled()
	s := service(t, m)
	for cause, want := range map[error]struct {
		kind error
		hint string
	}{
		errors.New("i/o error"): {control.ErrInternal, "check that the store can be reached"},
		&event.Error{Op: "read", Err: errors.New("locked"), Hint: "stop the other process"}: {control.ErrInternal, "stop the other process"},
		context.DeadlineExceeded: {control.ErrTimeout, "ask for less at once"},
	} {
		m.err = cause
		_, err := s.Events(t.Context(), control.EventQuery{})
		own, ok := errors.AsType[*control.Error](err)
		if !ok || !errors.Is(err, want.kind) || !errors.Is(err, cause) || !strings.Contains(own.Hint, want.hint) {
			t.Errorf("%v: %#v", cause, err)
		}
	}
}
