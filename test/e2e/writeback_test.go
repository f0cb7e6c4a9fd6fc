package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	writtenEvents = 2_000
	writtenKeys   = 60
)

// writingRoute has the application's answers written to the org.
const writingRoute = `
    order_by: Order_Number__c
    concurrency: 16
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}
    reply: {to: write-back, max_answer: 8KiB}
  write-back:
    arrives: reply
    concurrency: 4
    to:
      salesforce:
        allow: [Account.upsert, Contact.create]
        idempotency_field: External_Id__c
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}`

// writer is an application that answers every order with two records: a contact
// that stands for the event, and the order's account with its latest amount.
type writer struct {
	server *httptest.Server

	mu   sync.Mutex
	seen map[string]int
}

func newWriter(t *testing.T) *writer {
	t.Helper()
	w := &writer{seen: map[string]int{}}
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.server.Close)
	return w
}

func (w *writer) serve(rw http.ResponseWriter, r *http.Request) {
	var order struct {
		Number string  `json:"Order_Number__c"`
		Amount float64 `json:"Amount__c"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &order) != nil {
		return // the gateway was killed while sending
	}
	w.mu.Lock()
	w.seen[r.Header.Get("ce-id")]++
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(map[string]any{"records": []any{
		map[string]any{"object": "Contact", "operation": "create", "record": map[string]any{
			"LastName": order.Number, "Title": fmt.Sprint(order.Amount),
		}},
		map[string]any{"object": "Account", "operation": "upsert", "external_id": "External_Id__c", "record": map[string]any{
			"External_Id__c": order.Number, "Name": order.Number, "AnnualRevenue": order.Amount,
		}},
	}})
}

func (w *writer) distinct() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// Whatever is killed and whatever the org does to requests, what the application
// answers is in the org exactly once, and each record's last state is the last one.
func TestWriteBack_AnswersAreWrittenOnceThoughTheGatewayIsKilled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		o, app := startOrg(t), newWriter(t)
		g := newGateway(t, "gateway", o, filepath.Join(t.TempDir(), "sallyport.db"), app.server.URL, writingRoute)
		writingCampaign(t, o, app, 4, g)
	})
	t.Run("PostgreSQL, two gateways", func(t *testing.T) {
		o, app := startOrg(t), newWriter(t)
		database := testkit.Postgres(t)
		store := fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
		writingCampaign(t, o, app, 2, // each costs a lease of ten seconds
			newGateway(t, "gateway-1", o, store, app.server.URL, writingRoute),
			newGateway(t, "gateway-2", o, store, app.server.URL, writingRoute))
	})
}

func writingCampaign(t *testing.T, o *org, app *writer, kills int, gateways ...*gateway) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for _, f := range []fault.Fault{
		{Name: fault.ResetAfterCommit, Probability: 0.1, Match: fault.Match{Endpoint: "/services/data/*/composite/**"}},
		{Name: fault.Unavailable, Probability: 0.05, Committed: true, Match: fault.Match{Endpoint: "/services/data/*/composite/**"}},
		{Name: fault.RevokeToken, Probability: 0.05, Match: fault.Match{Endpoint: "/services/data/*/composite/**"}},
		{Name: fault.RowLocked, Probability: 0.02},
	} {
		f.Seed = random.Uint64()
		o.must(http.MethodPost, "faults", f)
	}
	for _, g := range gateways {
		g.start()
	}
	p := o.publisher(ctx)
	want := map[string]float64{} // order number to its last amount
	contacts := map[string]int{} // number and amount to how many there are
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for left := writtenEvents; left > 0; {
			keys := make([]string, min(50, left))
			for i := range keys {
				keys[i] = fmt.Sprintf("O-%02d", random.IntN(writtenKeys))
				want[keys[i]]++
				contacts[fmt.Sprintf("%s %v", keys[i], want[keys[i]])]++
			}
			p.overPubSub(ctx, keys...)
			left -= len(keys)
		}
	})
	at := rand.New(rand.NewPCG(seed, 2))
	for i := range kills {
		threshold := (i + 1) * writtenEvents / (kills + 2)
		eventually(t, 2*time.Minute, func() bool { return app.distinct() >= threshold },
			func() string { return fmt.Sprintf("%d arrived, waiting for %d", app.distinct(), threshold) })
		victim := gateways[at.IntN(len(gateways))]
		victim.process.kill()
		victim.start()
	}
	publishing.Wait()
	settled := func() bool {
		l := ledgersOf(gateways[0])
		return app.distinct() == writtenEvents && l["orders"].Waiting == 0 && l["orders"].Delivered == writtenEvents && l["write-back"].Waiting == 0
	}
	eventually(t, 3*time.Minute, settled, func() string { return fmt.Sprintf("%d arrived; %+v", app.distinct(), ledgersOf(gateways[0])) })
	if l := ledgersOf(gateways[0])["write-back"]; l.Accepted != 2*writtenEvents || l.Delivered != 2*writtenEvents || l.Dead != 0 {
		t.Errorf("ledger %+v, want %d accepted and delivered", l, 2*writtenEvents)
	}
	o.must(http.MethodDelete, "faults")
	checkWritten(ctx, t, p, want, contacts)
}

// checkWritten compares the org's records with what was asked for.
func checkWritten(ctx context.Context, t *testing.T, p *publisher, want map[string]float64, contacts map[string]int) {
	t.Helper()
	accounts := map[string]float64{}
	for record, err := range p.rest.Query(ctx, rest.Query{SOQL: "SELECT External_Id__c, AnnualRevenue FROM Account"}) {
		p.check(err)
		var a struct {
			Key    string  `json:"External_Id__c"`
			Amount float64 `json:"AnnualRevenue"`
		}
		p.check(json.Unmarshal(record, &a))
		if _, twice := accounts[a.Key]; twice {
			t.Errorf("two accounts for %s", a.Key)
		}
		accounts[a.Key] = a.Amount
	}
	if !maps.Equal(accounts, want) {
		t.Errorf("accounts %v\nwant %v", accounts, want)
	}
	made, n := map[string]int{}, 0
	for record, err := range p.rest.Query(ctx, rest.Query{SOQL: "SELECT LastName, Title FROM Contact"}) {
		p.check(err)
		var c struct{ LastName, Title string }
		p.check(json.Unmarshal(record, &c))
		made[c.LastName+" "+c.Title]++
		n++
	}
	if !maps.Equal(made, contacts) {
		t.Errorf("%d contacts of %d orders, want %d of as many", n, len(made), len(contacts))
	}
}

// ledgersOf are the accounts of all routes, as audit tells them; audit must find nothing.
func ledgersOf(g *gateway) map[string]control.Ledger {
	g.t.Helper()
	all := map[string]control.Ledger{}
	for _, l := range ask[control.AuditReport](g, "audit").Ledgers {
		all[l.Route] = l
	}
	return all
}
