package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	crmSecret     = "client-secret-of-the-crm-0123456789"
	messagesToken = "token-of-outbound-messages-0123456789"
)

// newGuarded writes a gateway with two callers, a route that only one may use, one
// with a schema, and one for outbound messages.
func newGuarded(t *testing.T, app *application) *calledGateway {
	t.Helper()
	schema := filepath.Join(t.TempDir(), "order.json")
	const order = `{"type": "object", "required": ["number"], "properties": {"number": {"type": "string"}, "total": {"type": "number"}}}`
	if err := os.WriteFile(schema, []byte(order), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newCalled(t, filepath.Join(t.TempDir(), "gate.db"), "", `
  orders:
    arrives: callout
    callout: {answer: accept}
    callers: [crm]
    schema: `+schema+`
    to: {url: "`+app.server.URL+`/orders"}
  accounts:
    arrives: outbound-message
    callers: [messages]
    to: {url: "`+app.server.URL+`/accounts"}
`)
	text, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	callers := `
callers:
  crm: {client_secrets: ["${CRM_SECRET}"]}
  messages: {tokens: ["${MESSAGES_TOKEN}"]}
token_endpoint: {secrets: ["${TOKEN_SECRET}"]}
`
	if err := os.WriteFile(g.config, append(text, callers...), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// begin starts the gateway with its secrets.
func (g *calledGateway) begin() {
	g.t.Helper()
	env := []string{"CRM_SECRET=" + crmSecret, "MESSAGES_TOKEN=" + messagesToken, "TOKEN_SECRET=token-secret-0123456789"}
	g.process = start(g.t, g.name, env, "run", "--config", g.config)
	eventually(g.t, 30*time.Second, g.ready, func() string { return "not ready:\n" + g.process.tail(30) })
}

// An org logs in as an External Credential does and hands an order over. Its token
// outlives a killed gateway; nobody else's credentials do anything, and a body that does
// not fit is refused by the name of its field.
func TestCallers_AnExternalCredentialHandsOverOrders(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	g := newGuarded(t, app)
	g.begin()
	answer := g.must(http.StatusOK, http.MethodPost, "/oauth2/token", "grant_type=client_credentials&client_id=crm&client_secret="+crmSecret,
		"Content-Type", "application/x-www-form-urlencoded")
	var granted struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer.body), &granted); err != nil || granted.Token == "" {
		t.Fatalf("%s: %v", answer.body, err)
	}
	bearer := "Bearer " + granted.Token
	g.must(http.StatusAccepted, http.MethodPost, "/callouts/orders", `{"number":"O-1","total":1}`, "Authorization", bearer)
	g.process.kill()
	g.begin()
	g.must(http.StatusAccepted, http.MethodPost, "/callouts/orders", `{"number":"O-2"}`, "Authorization", bearer)

	refused := g.must(http.StatusUnprocessableEntity, http.MethodPost, "/callouts/orders", `{"number":"O-3","total":"hunter2"}`, "Authorization", bearer)
	if !strings.Contains(refused.body, `"field":"total"`) || strings.Contains(refused.body, "hunter2") {
		t.Errorf("%s", refused.body)
	}
	batch := g.must(http.StatusMultiStatus, http.MethodPost, "/callouts/orders/batch", `[{"id":"4","data":{"number":"O-4"}},{"id":"5","data":{}}]`, "Authorization", bearer)
	if !strings.Contains(batch.body, `"accepted":1`) || !strings.Contains(batch.body, "number is missing") {
		t.Errorf("%s", batch.body)
	}
	g.must(http.StatusUnauthorized, http.MethodPost, "/callouts/orders", `{"number":"O-6"}`)
	g.must(http.StatusUnauthorized, http.MethodPost, "/callouts/orders", `{"number":"O-6"}`, "Authorization", bearer+"x")
	g.must(http.StatusForbidden, http.MethodPost, "/callouts/orders", `{"number":"O-6"}`, "Authorization", "Bearer "+messagesToken)
	g.must(http.StatusUnauthorized, http.MethodPost, "/oauth2/token", "grant_type=client_credentials&client_id=crm&client_secret=wrong",
		"Content-Type", "application/x-www-form-urlencoded")
	described := g.must(http.StatusOK, http.MethodGet, "/callouts/openapi.json", "", "Authorization", bearer)
	if !strings.Contains(described.body, `"operationId": "sendOrders"`) {
		t.Errorf("%s", described.body)
	}
	eventually(t, 30*time.Second, func() bool { return app.distinct() == 3 }, func() string { return g.process.tail(30) })
	if log := g.process.tail(1000); strings.Contains(log, crmSecret) || strings.Contains(log, granted.Token) || strings.Contains(log, messagesToken) {
		t.Error("a secret is in the log")
	}
}

// A simulated org sends outbound messages while the gateway is killed and comes
// back: every notification reaches the application, under its own id.
func TestOutboundMessages_SurviveAKilledGateway(t *testing.T) {
	t.Parallel()
	o, app := startOrg(t), newApplication(t)
	g := newGuarded(t, app)
	g.begin()
	o.must(http.MethodPost, "outbound-messages/", map[string]any{
		"name": "Accounts", "object": "Account", "fields": []string{"Name"}, "endpoint": "http://" + g.calls + "/outbound/accounts?key=" + messagesToken,
	})
	p := o.publisher(t.Context())
	const records = 30
	for i := range records {
		_, err := p.rest.Create(t.Context(), "Account", map[string]any{"Name": "Acme"})
		p.check(err)
		if i == records/2 {
			g.process.kill()
		}
	}
	g.begin()
	o.must(http.MethodPost, "clock", map[string]string{"advance": "2m"}) // over the waits of what was not acknowledged
	acknowledged := func() int {
		var states []struct {
			Counters struct {
				Acknowledged int `json:"acknowledged"`
			} `json:"counters"`
		}
		if err := o.control(http.MethodGet, "outbound-messages/", &states); err != nil || len(states) != 1 {
			t.Fatalf("%v %v", states, err)
		}
		return states[0].Counters.Acknowledged
	}
	eventually(t, 60*time.Second, func() bool { return acknowledged() == records && app.distinct() == records },
		func() string { return g.process.tail(30) })
	if first := app.first(); !strings.HasPrefix(first.id, "04l") || !strings.Contains(string(first.data), `"Name":"Acme"`) {
		t.Errorf("%s %s", first.id, first.data)
	}
	g.must(http.StatusUnauthorized, http.MethodPost, "/outbound/accounts?key=wrong", "<x/>")
	g.must(http.StatusBadRequest, http.MethodPost, "/outbound/accounts?key="+messagesToken, "<x/>")
}
