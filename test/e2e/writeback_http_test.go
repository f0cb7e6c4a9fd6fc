package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// postingRoutes are routes that the application posts its own events to; the events
// of the first go to an org's records, by Bulk when there are many.
const postingRoutes = `
    reply: answers
  answers:
    arrives: reply
    to: {salesforce: {object: Account, operation: create, idempotency_field: External_Id__c}}
  accounts:
    arrives: http
    order_by: none
    retry: {first: 50ms, max: 500ms}
    to: {salesforce: {object: Account, operation: upsert, external_id: External_Id__c, batch: 2000, bulk_over: 500}}
  statuses:
    arrives: http
    order_by: none
    transform: '{Order_Number__c: .number, Status__c: .status}'
    to: {salesforce: {publish: Order_Event__e}}
listen: "%s"`

// post hands CloudEvents over in one batch, and fails the test if they are not accepted.
func post(t *testing.T, address, route string, events []map[string]any) {
	t.Helper()
	for _, e := range events {
		e["specversion"], e["source"], e["type"] = "1.0", "/app", "app.event"
	}
	body, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/events/"+route, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("post to %s: %s: %s", route, resp.Status, text)
	}
}

func cloudEvents(n int, data func(i int) map[string]any) []map[string]any {
	events := make([]map[string]any, n)
	for i := range events {
		events[i] = map[string]any{"id": fmt.Sprintf("app-%d", i), "data": data(i)}
	}
	return events
}

// The application posts its own events; they are in the org when the ledger says
// so, once, and what the org refuses is told without a value of it.
func TestWriteBack_TakesTheApplicationsOwnEvents(t *testing.T) {
	t.Parallel()
	o, listen := startOrg(t), freeAddress(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"record": [{"Name": "Hildegard Pfeffer"}]}`) // a word that nobody knows
	}))
	t.Cleanup(app.Close)
	g := newGateway(t, "gateway", o, filepath.Join(t.TempDir(), "sallyport.db"), app.URL, fmt.Sprintf(postingRoutes, listen))
	g.start()
	p := o.publisher(t.Context())

	account := func(i int) map[string]any {
		return map[string]any{"External_Id__c": fmt.Sprintf("A-%d", i), "Name": "Hildegard Pfeffer"}
	}
	events := cloudEvents(1500, account)
	events[700]["data"].(map[string]any)["Name"] = "Hildegard Pfeffer" + strings.Repeat("x", 300)
	post(t, listen, "accounts", events)
	post(t, listen, "accounts", events[:200]) // the application was not sure
	post(t, listen, "statuses", cloudEvents(300, func(i int) map[string]any {
		return map[string]any{"number": fmt.Sprint(i), "status": "Hildegard Pfeffer"}
	}))
	p.overREST(t.Context(), "O-1")

	want := map[string]control.Ledger{
		"accounts": {Accepted: 1500, Delivered: 1499, Dead: 1}, "statuses": {Accepted: 300, Delivered: 300},
		"orders": {Accepted: 301, Delivered: 301}, "answers": {Accepted: 301, Dead: 301},
	}
	eventually(t, time.Minute, func() bool { return sameCounts(ledgersOf(g), want) }, func() string { return fmt.Sprintf("%+v", ledgersOf(g)) })
	n := 0
	for _, err := range p.rest.Query(t.Context(), rest.Query{SOQL: "SELECT Id FROM Account"}) {
		p.check(err)
		n++
	}
	if got := len(o.published(orderTopic)); n != 1499 || got != 301 {
		t.Errorf("the org has %d accounts and %d events, want 1499 and 301", n, got)
	}
	checkBulk(t, o)
	checkDeadLetters(t, g)
	checkWriteBudget(t, g)
}

// checkBulk expects that the backlog went by jobs.
func checkBulk(t *testing.T, o *org) {
	t.Helper()
	var log []struct{ Method, Path string }
	if err := o.control(http.MethodGet, "requests", &log); err != nil {
		t.Fatal(err)
	}
	jobs := 0
	for _, r := range log {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/jobs/ingest") {
			jobs++
		}
	}
	if jobs == 0 {
		t.Errorf("no Bulk job in %d requests", len(log))
	}
	t.Logf("%d Bulk jobs", jobs)
}

func sameCounts(got, want map[string]control.Ledger) bool {
	for route, w := range want {
		g := got[route]
		if g.Accepted != w.Accepted || g.Delivered != w.Delivered || g.Dead != w.Dead || g.Waiting != 0 {
			return false
		}
	}
	return true
}

// checkDeadLetters looks at how the one bad record and an unreadable answer are told.
func checkDeadLetters(t *testing.T, g *gateway) {
	t.Helper()
	type page struct{ Events []control.Event }
	for route, want := range map[string]string{
		"accounts": "Salesforce answered STRING_TOO_LONG [Name]",
		"answers":  "the application's reply cannot be read: it has members besides records and events",
	} {
		dead := ask[page](g, "deadletters", "list", "--route", route).Events
		if len(dead) == 0 || dead[0].LastOutcome == nil || dead[0].LastOutcome.Reason != want || dead[0].LastOutcome.Hint == "" {
			t.Errorf("dead letters of %s: %+v", route, dead)
			continue
		}
		shown, _ := run(t, nil, "deadletters", "show", dead[0].ID, "--config", g.config)
		if strings.Contains(shown, "Hildegard") || !strings.Contains(shown, want) {
			t.Errorf("shown as\n%s", shown)
		}
	}
	if log := g.process.tail(10_000); strings.Contains(log, "Hildegard") {
		t.Error("a payload is in the log")
	}
}

// checkWriteBudget expects the writes under their own priority, and fewer requests
// than records.
func checkWriteBudget(t *testing.T, g *gateway) {
	t.Helper()
	line := budgetOf(g).Priorities[budget.WriteBack]
	if line.Priority != budget.WriteBack.String() || line.Used == 0 || line.Used > 100 {
		t.Errorf("%+v, want few requests for 1500 records", line)
	}
}
