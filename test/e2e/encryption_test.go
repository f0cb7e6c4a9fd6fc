package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A new key is put in front of the old one: the gateway seals what waits with it, the
// status says when the old one can go, and without it everything still arrives.
func TestEncryption_OldKeysCanGo(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := newApplication(t)
			folder := t.TempDir()
			store := filepath.Join(folder, "sallyport.db")
			if name == "PostgreSQL" {
				database := testkit.Postgres(t)
				store = fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
			}
			g := newCalled(t, store, "", fmt.Sprintf(regulatedRoute, "store", app.server.URL, keyOf(9), keyOf(1), ""))
			first, second := `["first:`+keyOf(1)+`"]`, `["second:`+keyOf(2)+`"]`
			both := `["second:` + keyOf(2) + `", "first:` + keyOf(1) + `"]`
			const events = 3 * regulatedBatch
			app.failing.Store(true)
			g.start()
			g.send(0, events)
			g.wantKeys(0, map[string]control.EncryptionKey{"first": {Use: "seals", Payloads: events}})
			g.rewrite(first, second)
			g.wantKeys(3, map[string]control.EncryptionKey{"second": {Use: "seals"}, "first": {Use: "missing", Payloads: events}})
			g.process.kill()
			g.rewrite(second, both)
			g.gateway.start()
			eventually(t, 30*time.Second, func() bool { return g.keys(0)["first"].Removable }, func() string { return fmt.Sprintf("%+v", g.keys(0)) })
			g.wantKeys(0, map[string]control.EncryptionKey{"second": {Use: "seals", Payloads: events}, "first": {Use: "opens", Removable: true}})
			g.process.kill()
			g.rewrite(both, second)
			app.failing.Store(false)
			g.gateway.start()
			eventually(t, time.Minute, func() bool { return app.distinct() == events && g.ledger().Waiting == 0 }, func() string {
				return fmt.Sprintf("%d of %d arrived, ledger %+v", app.distinct(), events, g.ledger())
			})
			for _, arrivals := range app.firsts() {
				for _, a := range arrivals {
					if !bytes.Contains(a.data, []byte(secretMarker)) {
						t.Fatalf("event %s arrived as %q", a.id, a.data)
					}
				}
			}
			if name == "SQLite" {
				nothingInClear(t, []string{folder})
			}
		})
	}
}

// keys asks with which keys the store is sealed; code is the exit code that is due.
func (g *calledGateway) keys(code int) map[string]control.EncryptionKey {
	g.t.Helper()
	out, got := run(g.t, nil, "encryption", "status", "--json", "--config", g.config)
	var report control.EncryptionReport
	if err := json.NewDecoder(strings.NewReader(out[max(strings.Index(out, "{"), 0):])).Decode(&report); err != nil || got != code {
		g.t.Fatalf("encryption status exits with %d: %s (%v)", got, out, err)
	}
	keys := map[string]control.EncryptionKey{}
	for _, k := range report.Keys {
		keys[k.ID] = k
	}
	return keys
}

func (g *calledGateway) wantKeys(code int, want map[string]control.EncryptionKey) {
	g.t.Helper()
	got := g.keys(code)
	for id, k := range want {
		k.ID = id
		if got[id] != k {
			g.t.Errorf("key %s is %+v, want %+v", id, got[id], k)
		}
	}
	if len(got) != len(want) {
		g.t.Errorf("keys %+v, want %+v", got, want)
	}
}
