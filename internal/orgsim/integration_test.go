package orgsim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
)

func TestOrg_ATransactionCallsAnApplicationThatCallsBack(t *testing.T) {
	t.Parallel()
	var o *orgsim.Org
	var c *caller
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		// The application asks the org while the org waits for it.
		status, _ := c.do(t, http.MethodGet, "/services/data/v67.0/query?q=SELECT+Id+FROM+Account", nil)
		w.WriteHeader(status)
	}))
	defer app.Close()
	file := filepath.Join(t.TempDir(), "integrations.yaml")
	if err := os.WriteFile(file, []byte("namedCredentials: [{name: App, url: '"+app.URL+"', auth: {protocol: bearer, token: key}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	o = start(t, orgsim.Config{IntegrationsFile: file})
	c = login(t, o)
	status, body := c.do(t, http.MethodPost, "/_sim/transactions", map[string]any{"steps": []any{
		map[string]any{"query": map[string]any{"soql": "SELECT Id FROM Account"}},
		map[string]any{"callout": map[string]any{"endpoint": "callout:App"}, "as": "r"},
		map[string]any{"insert": map[string]any{"object": "Account", "record": map[string]any{"Name": "Answered @{r.status}"}}},
	}})
	if status != http.StatusOK || body["status"] != "Completed" {
		t.Fatalf("%d %v", status, body)
	}
	if _, found := c.do(t, http.MethodGet, "/services/data/v67.0/query?q=SELECT+Name+FROM+Account", nil); found["records"].([]any)[0].(map[string]any)["Name"] != "Answered 200" {
		t.Errorf("rows: %v", found)
	}
	if status, one := c.do(t, http.MethodGet, "/_sim/transactions/"+body["id"].(string), nil); status != http.StatusOK || one["id"] != body["id"] {
		t.Errorf("%d %v", status, one)
	}
	if status, bad := c.do(t, http.MethodPost, "/_sim/transactions", map[string]any{"steps": []any{map[string]any{"nope": 1}}}); status != http.StatusBadRequest {
		t.Errorf("a step that is none: %d %v", status, bad)
	}
}

func TestOrg_OutboundMessageOfARESTCall(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
		_, _ = io.WriteString(w, `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>`+
			`<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>`)
	}))
	defer app.Close()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	if status, body := c.do(t, http.MethodPost, "/_sim/outbound-messages", map[string]any{
		"name": "NewAccount", "object": "account", "fields": []string{"Name"}, "endpoint": app.URL, "on": []string{"created"}, "sendSessionId": true,
	}); status != http.StatusCreated {
		t.Fatalf("%d %v", status, body)
	}
	if status, body := c.do(t, http.MethodPost, "/services/data/v67.0/sobjects/Account", map[string]any{"Name": "Acme"}); status != http.StatusCreated {
		t.Fatalf("%d %v", status, body)
	}
	var envelope string
	select {
	case envelope = <-got:
	case <-t.Context().Done():
		t.Fatal("no message")
	}
	if !strings.Contains(envelope, "<sf:Name>Acme</sf:Name>") || !strings.Contains(envelope, "<PartnerUrl>"+o.URL()+"/services/Soap/u/67.0/") {
		t.Errorf("envelope %s", envelope)
	}
	_, rest, _ := strings.Cut(envelope, "<SessionId>")
	token, _, _ := strings.Cut(rest, "</SessionId>")
	if _, ok := o.Sessions().Authenticate(token); !ok {
		t.Error("the session in the message is not valid")
	}
	if err := o.Outbound().Declare(o.Outbound().States()[0].Definition); err == nil {
		t.Error("declared twice")
	}
}
