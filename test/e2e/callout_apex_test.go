package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// transaction runs a script as an Apex transaction and returns its result.
func (o *org) transaction(script string) (result struct {
	Status    string
	Exception *struct{ Type, Message string }
	Value     json.RawMessage
}, text string,
) {
	o.t.Helper()
	resp, err := http.Post(o.url()+"/_sim/transactions?wait=jobs", "application/yaml", bytes.NewReader([]byte(script)))
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	text = readAll(o.t, resp.Body)
	if err := json.Unmarshal([]byte(text), &result); err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: %s", resp.Status, text)
	}
	return result, text
}

// An application that answers in 25 s, 40 s, 119 s, never; a hundredth of each,
// as are Apex's 120 s and Heroku's 30 s. The caller is an Apex transaction: with the gateway it always gets
// an answer that says what to do; without it, an exception.
func TestCallouts_TimesOfApexAndOfARouter(t *testing.T) {
	t.Parallel()
	app := newSlowApplication(t)
	routes := fmt.Sprintf("  slow: {pattern: rest, callout: {deadline: 1200ms}, to: {url: %q}}\n", app.server.URL)
	plain := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", routes)
	routed := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "  router_timeout: 300ms\n", routes)
	plain.start()
	routed.start()
	integrations := filepath.Join(t.TempDir(), "integrations.yaml")
	text := "namedCredentials:\n"
	for name, address := range map[string]string{"Direct": app.server.URL, "Plain": "http://" + plain.calls + "/callouts/slow", "Routed": "http://" + routed.calls + "/callouts/slow"} {
		text += fmt.Sprintf("  - {name: %s, url: %q, auth: {protocol: none}}\n", name, address)
	}
	if err := os.WriteFile(integrations, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := startOrg(t, "--integrations", integrations)
	for _, c := range []struct{ credential, takes, want string }{
		{"Direct", "250ms", "201"},
		{"Direct", "1h", "Read timed out"},
		{"Plain", "250ms", "201"},
		{"Plain", "400ms", "201"},
		{"Plain", "1000ms", "201"}, // 119 s, less the margin that the scale makes large
		{"Plain", "1h", "504 app_slow"},
		{"Routed", "250ms", "201"},
		{"Routed", "400ms", "504 app_slow"},
		{"Routed", "1h", "504 app_slow"},
	} {
		result, all := o.transaction(fmt.Sprintf(`name: Ask
context: sync
steps:
  - callout:
      method: POST
      endpoint: callout:%s/%s
      headers: {X-Sallyport-Deadline: "1200"}
      timeout: 1200
      body: {n: 1}
    as: answer
  - return: "@{answer}"
`, c.credential, c.takes))
		var value struct {
			Status  int
			Headers map[string]any
		}
		_ = json.Unmarshal(result.Value, &value)
		have := fmt.Sprint(value.Status)
		if code := value.Headers["X-Sallyport-Error"]; code != nil {
			have += " " + strings.Trim(fmt.Sprint(code), "[]")
		}
		if result.Exception != nil {
			have = result.Exception.Message
		}
		if have != c.want {
			t.Errorf("%s in %s: %s, want %s\n%s", c.credential, c.takes, have, c.want, all)
		}
	}
}
