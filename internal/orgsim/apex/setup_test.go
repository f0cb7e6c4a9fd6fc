package apex_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const admin salesforce.ID = "005Sp0000000001IAA"

var noon = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

const objects = `
objects:
  - name: Account
    fields: [{name: Ext__c, type: text, length: 20, unique: true, externalId: true}]
events:
  - {name: Now__e, fields: [{name: Ref__c, type: text, length: 40, required: true}]}
  - {name: Later__e, publish: after-commit, fields: [{name: Ref__c, type: text, length: 40}]}
changeEvents: [Account]
`

// org is what transactions run on, with an application to call.
type org struct {
	t testing.TB
	*apex.Runtime
	clock    *clock.Clock
	records  *record.Engine
	bus      *bus.Bus
	callouts *callout.Client
	app      *httptest.Server

	mu        sync.Mutex
	committed []record.Transaction
}

// Committed remembers, and passes on.
func (o *org) Committed(tx record.Transaction) {
	o.mu.Lock()
	o.committed = append(o.committed, tx)
	o.mu.Unlock()
	o.bus.Committed(tx)
}

func newOrg(t testing.TB, answer http.HandlerFunc, change func(*apex.Config)) *org {
	t.Helper()
	catalog, err := schema.Parse([]byte(objects))
	if err != nil {
		t.Fatal(err)
	}
	o := &org{t: t, clock: clock.NewManual(noon)}
	if o.bus, err = bus.Open(context.Background(), bus.Config{Objects: catalog.Objects(), Clock: o.clock}); err != nil {
		t.Fatal(err)
	}
	if o.records, err = record.Open(record.Config{Catalog: catalog, Now: o.clock.Now, Listener: o}); err != nil {
		t.Fatal(err)
	}
	user, _ := catalog.Object("User")
	if _, err := o.records.Load(context.Background(), user, []record.Row{{
		"Id": string(admin), "Username": "admin@example.com", "LastName": "Admin", "Email": "a@example.com", "Alias": "admin",
	}}); err != nil {
		t.Fatal(err)
	}
	if answer == nil {
		answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok":true,"n":7}`)) }
	}
	o.app = httptest.NewServer(answer)
	o.callouts, err = callout.New(callout.Config{Clock: o.clock, Credentials: []callout.Credential{{Name: "App", URL: o.app.URL + "/base/"}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := apex.Config{
		Records: o.records, Publisher: o.bus, Callouts: o.callouts, Clock: o.clock, OrgID: "00DSp0000000001MAA",
		User: func(name string) (salesforce.ID, bool) { return admin, name == "" || name == "admin@example.com" },
	}
	if change != nil {
		change(&cfg)
	}
	if o.Runtime, err = apex.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.Close()
		o.callouts.Close()
		o.app.Close()
		if err := o.records.Close(); err != nil {
			t.Error(err)
		}
		if err := o.bus.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *org) start(script string) string {
	o.t.Helper()
	s, err := apex.Parse([]byte(script))
	if err != nil {
		o.t.Fatal(err)
	}
	id, err := o.Start(s)
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

// run runs a script and everything that comes of it.
func (o *org) run(script string) *apex.Result {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := o.WaitAll(ctx, o.start(script))
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// fails runs a script that must end with the exception.
func (o *org) fails(script, exception string) *apex.Result {
	o.t.Helper()
	r := o.run(script)
	got := "nothing"
	if r.Exception != nil {
		got = r.Exception.Error()
	}
	if r.Status != apex.Failed || got != exception {
		o.t.Errorf("%s: ended %s with\n%s\nwant\n%s", script, r.Status, got, exception)
	}
	return r
}

// succeeds runs a script that must commit.
func (o *org) succeeds(script string) *apex.Result {
	o.t.Helper()
	r := o.run(script)
	if r.Status != apex.Completed || r.Exception != nil {
		o.t.Errorf("%s: ended %s with %v", script, r.Status, r.Exception)
	}
	return r
}

func (o *org) count(query string) int {
	o.t.Helper()
	result, err := o.records.Query(context.Background(), query, false)
	if err != nil {
		o.t.Fatal(err)
	}
	return result.Total
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func lines(s ...string) string { return strings.Join(s, "\n") }
