package outbound_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	simulated "github.com/sallyport-dev/sallyport/internal/orgsim/outbound"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/outbound"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// A simulated org sends the notifications of 250 records, to a receiver that now
// does not answer, now answers after it has kept them but is not heard, now fails.
// Every notification is kept, and none twice.
func TestReceiver_LosesAndDoublesNothingOfASenderWhoRepeats(t *testing.T) {
	t.Parallel()
	h, kept, _ := receiver(t, outbound.Config{}, route.Config{})
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) {
		case 1, 4: // the store is away
			kept.close(true)
			h.ServeHTTP(w, r)
			kept.close(false)
		case 2, 5: // the answer is lost
			h.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	const records = 250
	org := newOrg(t, server.URL, records)
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for state := org.States()[0]; state.Counters.Acknowledged < records; state = org.States()[0] {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%+v", state.Counters)
		}
	}
	counters := org.States()[0].Counters
	events := kept.kept()
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.ID] = true
	}
	if len(events) != records || len(seen) != records || counters.Refused < 4 || counters.Sent <= records {
		t.Errorf("%d events of %d notifications, %+v", len(events), len(seen), counters)
	}
}

func newOrg(t *testing.T, endpoint string, records int) *simulated.Sender {
	t.Helper()
	catalog := schema.Default()
	account, _ := catalog.Object("Account")
	var engine *record.Engine
	sender, err := simulated.New(simulated.Config{
		Catalog: catalog, Clock: clock.New(), OrgID: "00DSp0000000001MAA", InstanceURL: "https://acme.example.com",
		Rows: func(ctx context.Context, o *schema.Object, ids []salesforce.ID) (map[salesforce.ID]record.Row, error) {
			tx, err := engine.Begin(ctx, record.Actor{})
			if err != nil {
				return nil, err
			}
			defer tx.Rollback()
			rows := map[salesforce.ID]record.Row{}
			for _, id := range ids {
				if row, err := tx.Get(o, id); err == nil {
					rows[id] = row
				}
			}
			return rows, nil
		},
		Session: func(string) (string, error) { return "a-session", nil },
		Retry:   simulated.Retry{First: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	if engine, err = record.Open(record.Config{Catalog: catalog, Listener: sender}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sender.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := sender.Declare(simulated.Definition{Name: "A", Object: "Account", Endpoint: endpoint + "/outbound/orders", Fields: []string{"Name", "Phone"}, SendSessionID: true}); err != nil {
		t.Fatal(err)
	}
	rows := make([]record.Row, records)
	for i := range rows {
		rows[i] = record.Row{"Name": fmt.Sprintf("Account %d", i)}
	}
	if _, err := engine.InsertMany(t.Context(), record.Actor{}, account, rows); err != nil {
		t.Fatal(err)
	}
	return sender
}
