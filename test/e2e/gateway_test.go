package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
)

// gateway is one gateway process with its configuration.
type gateway struct {
	t       *testing.T
	name    string
	config  string
	address string
	process *process
}

// routeOptions is what a test adds to the one route, in YAML.
const keyedRoute = `
    order_by: Order_Number__c
    concurrency: 16
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}`

// newGateway writes a configuration with one route for orders; it starts nothing.
func newGateway(t *testing.T, name string, o *org, store, appURL, route string) *gateway {
	t.Helper()
	g := &gateway{t: t, name: name, address: freeAddress(t), config: filepath.Join(t.TempDir(), "sallyport.yaml")}
	text := fmt.Sprintf(`org:
  login_url: %s
  client_id: %s
  client_secret: %s
  pubsub: {endpoint: "%s", plaintext: true}
store: %s
control: {listen: "%s"}
log: {level: info}
routes:
  orders:
    pattern: events
    topic: %s
    to: {url: "%s/events"}%s
`, o.url(), orgsim.DefaultClientID, orgsim.DefaultClientSecret, o.pubsub, store, g.address, orderTopic, appURL, route)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// start runs the gateway and waits until it is ready.
func (g *gateway) start() {
	g.t.Helper()
	g.process = start(g.t, g.name, nil, "run", "--config", g.config)
	eventually(g.t, 30*time.Second, g.ready, func() string { return g.name + " is not ready:\n" + g.process.tail(30) })
}

func (g *gateway) ready() bool {
	req, err := http.NewRequest(http.MethodGet, "http://"+g.address+"/readyz", nil)
	if err != nil {
		return false
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// ask runs a read command with --json and decodes its output.
func ask[T any](g *gateway, args ...string) T {
	g.t.Helper()
	var out T
	stdout, code := run(g.t, nil, append(args, "--json", "--config", g.config)...)
	if code != 0 {
		g.t.Fatalf("sallyport %v: exit %d", args, code)
	}
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		g.t.Fatalf("sallyport %v: %v in %q", args, err, stdout)
	}
	return out
}

// ledger is the orders route's account, as audit tells it; audit must find nothing.
func (g *gateway) ledger() control.Ledger {
	g.t.Helper()
	return g.ledgerOf("orders")
}

func (g *gateway) ledgerOf(route string) control.Ledger {
	g.t.Helper()
	for _, l := range ask[control.AuditReport](g, "audit").Ledgers {
		if l.Route == route {
			return l
		}
	}
	return control.Ledger{}
}

// subscription is the state of the one subscription, as status tells it.
func (g *gateway) status() control.Status {
	g.t.Helper()
	return ask[control.Status](g, "status")
}
