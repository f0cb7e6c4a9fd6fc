package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/app"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// An application written with Heroku's AppLink SDK runs behind the gateway: it
// finds its context in the request, makes a record in the org with the token and
// reads it back. What comes in with a context of its own does not get through.
func TestAppLinkSDK(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	requireNode(t) // and the packages
	application := startServer(t, modernNode(t), "applink.mjs")
	gateway := startGateway(t, fmt.Sprintf(`org: {login_url: %q, client_id: %q, client_secret: "${SECRET}"}
store: %q
listen: "127.0.0.1:0"
control: {listen: "127.0.0.1:0"}
routes:
  accounts:
    pattern: rest
    callout: {headers: [X-Client-Context]}
    to: {url: "%s/accounts", applink: true}
`, org.URL, org.ClientID, filepath.Join(t.TempDir(), "gate.db"), application), org.ClientSecret)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway+"/callouts/accounts", strings.NewReader(`{"name": "Acme"}`))
	check(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "request-1")
	r.Header.Set("X-Client-Context", "e30=") // somebody else's
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(t, err)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", answer.Status, body, err)
	}
	want := map[string]any{
		"requestId": "request-1", "org": org.OrgID, "domain": org.URL, "version": "67.0", "accounts": []any{"Acme"},
		"user": map[string]any{"id": org.UserID, "username": org.Username},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// modernNode is the Node.js 22 that the SDK's dependencies need: the one that comes
// with sf, or where none comes with it the one in PATH.
func modernNode(t *testing.T) string {
	t.Helper()
	own, err := filepath.Abs(filepath.Join(requireSF(t), "node"))
	check(t, err)
	if _, err := os.Stat(own); err == nil {
		return own
	}
	node, err := exec.LookPath("node")
	check(t, err)
	return node
}

// startGateway runs a gateway in this process until the test ends, and returns
// the address that callouts come in at.
func startGateway(t *testing.T, text, secret string) string {
	t.Helper()
	lookup := func(name string) (string, bool) { return secret, name == "SECRET" }
	settings, _, err := config.Parse("sallyport.yaml", []byte(text), lookup)
	check(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	gateway, err := app.New(t.Context(), settings, app.Env{Log: log, Lookup: lookup, Version: "test"})
	check(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- gateway.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("gateway: %v", err)
		}
	})
	return "http://" + gateway.CalloutAddr()
}
