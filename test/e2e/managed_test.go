package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// A position that the org keeps is as good as our own: killed and restarted, and
// with two gateways that take turns, everything arrives and is committed.
func TestManaged_TheOrgKeepsThePosition(t *testing.T) {
	t.Parallel()
	o, app := startOrg(t), newApplication(t)
	o.must(http.MethodPost, "managed", map[string]string{"developerName": "Orders", "topicName": orderTopic, "defaultReplay": "EARLIEST"})
	store, options := postgresStore(t), keyedRoute+"\n    managed: Orders"
	first, second := newGateway(t, "first", o, store, app.server.URL, options), newGateway(t, "second", o, store, app.server.URL, options)
	records := newAccounts(t.Context(), o)
	send := func() {
		for n := range 40 {
			if _, err := records.rest.PublishEvent(t.Context(), "Order_Event__e", map[string]any{"Order_Number__c": fmt.Sprint(n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	arrive := func() {
		t.Helper()
		want := o.published(orderTopic)
		eventually(t, time.Minute, func() bool { return len(app.missing(want)) == 0 },
			func() string { return fmt.Sprintf("%d of %d events are missing", len(app.missing(want)), len(want)) })
	}
	first.start()
	send()
	arrive()
	second.start()
	first.process.kill()
	send()
	arrive()
	first.start()
	second.process.stop(30 * time.Second)
	send()
	arrive()
	eventually(t, 30*time.Second, func() bool { return o.committed() == o.committedAtRest(first) }, func() string { return "the last position is not committed" })
	if n, want := app.distinct(), len(o.published(orderTopic)); n != want {
		t.Errorf("%d ids arrived, %d were published", n, want)
	}
}

// committed is the position of the org's one managed subscription.
func (o *org) committed() uint64 {
	o.t.Helper()
	var all []struct {
		Committed uint64 `json:"committed"`
	}
	if err := o.control(http.MethodGet, "managed", &all); err != nil || len(all) != 1 {
		o.t.Fatalf("managed subscriptions %+v: %v", all, err)
	}
	return all[0].Committed
}

// committedAtRest is the position that a gateway has stored, as a number.
func (o *org) committedAtRest(g *gateway) (n uint64) {
	o.t.Helper()
	for _, s := range g.status().Subscriptions {
		if len(s.Position) == 20 {
			if _, err := fmt.Sscanf(s.Position[:16], "%x", &n); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	return n
}
