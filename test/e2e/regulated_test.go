package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/testkit"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

const (
	regulatedEvents = 2_000
	regulatedBatch  = 100
	// secretMarker is in every payload and may rest nowhere.
	secretMarker = "MARKER-of-a-payload"
)

func keyOf(fill byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

// regulated is the part of a configuration that regulated delivery needs.
const regulatedRoute = `  orders:
    arrives: callout
    waits: %s
    callout: {answer: accept}
    redact: [secret]
    retry: {first: 50ms, max: 500ms, attempts: 500}
    breaker: {probe_max: 300ms}
    to: {url: "%s/orders"}
trail: {all: true, key: "%s"}
encryption: {keys: ["first:%s"]}
%s`

// rewrite changes the configuration of a gateway.
func (g *gateway) rewrite(from, to string) {
	g.t.Helper()
	text, err := os.ReadFile(g.config)
	if err != nil {
		g.t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		g.t.Fatalf("the configuration does not hold %q", from)
	}
	if err := os.WriteFile(g.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *calledGateway) send(from, to int) {
	g.t.Helper()
	for ; from < to; from += regulatedBatch {
		var items []string
		for n := from; n < from+regulatedBatch; n++ {
			id, key := queuedEvent(n)
			items = append(items, fmt.Sprintf(`{"id":%q,"key":%q,"data":{"n":%d,"secret":"%s-%d"}}`, id, key, n, secretMarker, n))
		}
		g.insist("/callouts/orders/batch", "["+strings.Join(items, ",")+"]", fmt.Sprintf("batch %d", from))
	}
}

// Payloads rest sealed, keys are rotated under traffic, a missing key loses nothing,
// and the trail is whole after kills and shows what was changed.
func TestRegulated_NothingRestsInClearAndTheTrailIsWhole(t *testing.T) {
	t.Parallel()
	for _, waits := range []string{"store", "rabbitmq"} {
		t.Run(waits, func(t *testing.T) {
			t.Parallel()
			regulatedCampaign(t, waits)
		})
	}
}

func regulatedCampaign(t *testing.T, waits string) {
	folder, more := t.TempDir(), ""
	folders := []string{folder}
	if waits == "rabbitmq" {
		node := testkit.RabbitMQNode(t)
		folders, more = append(folders, node.Folder()), fmt.Sprintf("rabbitmq: %q\n", node.URL)
	}
	app, store := newApplication(t), filepath.Join(folder, "sallyport.db")
	g := newCalled(t, store, "", fmt.Sprintf(regulatedRoute, waits, app.server.URL, keyOf(9), keyOf(1), more))
	g.start()
	app.failing.Store(true)
	g.send(0, regulatedEvents/4)
	eventually(t, 30*time.Second, func() bool { return app.refused.Load() > 3 }, func() string { return "nothing is tried" })
	g.process.kill()

	// The old key is not there: the route waits and says which one it needs.
	old := `["first:` + keyOf(1) + `"]`
	g.rewrite(old, `["second:`+keyOf(2)+`"]`)
	app.failing.Store(false)
	g.gateway.start()
	eventually(t, 30*time.Second, func() bool {
		for _, r := range g.status().Routes {
			if strings.Contains(r.Why, `key "first"`) {
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprintf("no route tells of the missing key: %+v", g.status().Routes) })
	if l := g.ledger(); app.distinct() > 0 || l.Dead > 0 {
		t.Errorf("without the key %d events arrived, ledger %+v", app.distinct(), l)
	}
	nothingInClear(t, folders)
	g.process.kill()

	// With both keys, the old ones are opened and the new ones sealed, under traffic.
	g.rewrite(`["second:`+keyOf(2)+`"]`, `["second:`+keyOf(2)+`", "first:`+keyOf(1)+`"]`)
	g.gateway.start()
	g.send(regulatedEvents/4, regulatedEvents*3/4)
	g.process.kill()
	g.gateway.start()
	g.send(regulatedEvents*3/4, regulatedEvents)
	eventually(t, time.Minute, func() bool { return app.distinct() == regulatedEvents }, func() string { return fmt.Sprintf("%d arrived", app.distinct()) })
	eventually(t, 30*time.Second, func() bool { return g.ledger().Waiting == 0 }, func() string { return fmt.Sprintf("ledger %+v", g.ledger()) })
	for _, arrivals := range app.firsts() {
		for _, a := range arrivals {
			if !bytes.Contains(a.data, []byte(secretMarker)) {
				t.Fatalf("event %s arrived as %q", a.id, a.data)
			}
		}
	}
	nothingInClear(t, folders)
	if waits == "store" {
		if out, code := run(t, nil, "events", "show", "event-00001", "--payload", "--config", g.config); code != 0 || strings.Contains(out, secretMarker) || !strings.Contains(out, "***") {
			t.Errorf("a person is shown %q", out)
		}
	}
	if took := g.process.stop(30 * time.Second); took > 29*time.Second {
		t.Errorf("the stop took %s", took)
	}
	trailIsWhole(t, g, waits)
	trailShowsAChange(t, g, store)
}

// nothingInClear looks for payloads in files, and for an id to show that it looks at the right ones.
func nothingInClear(t *testing.T, folders []string) {
	t.Helper()
	for _, folder := range folders {
		ids := false
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // files come and go
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return nil // files come and go
			}
			if i := bytes.Index(data, []byte(secretMarker)); i >= 0 {
				t.Errorf("%s holds a payload in clear text at byte %d", path, i)
			}
			ids = ids || bytes.Contains(data, []byte("event-00"))
			return nil
		})
		if err != nil || !ids {
			t.Errorf("no event is in %s: %v", folder, err)
		}
	}
}

func trailIsWhole(t *testing.T, g *calledGateway, waits string) {
	t.Helper()
	report := ask[trail.Report](g.gateway, "audit", "verify")
	if least := int64(2 * regulatedEvents); waits == "store" && report.Entries < least || report.SignedSince == 0 || report.Unsealed > 0 {
		t.Errorf("report %+v; want at least %d signed entries", report, least)
	}
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	if _, code := run(t, nil, "audit", "export", "--out", file, "--config", g.config); code != 0 {
		t.Fatalf("export: exit %d", code)
	}
	key, code := run(t, nil, "audit", "key", "--config", g.config)
	if code != 0 {
		t.Fatalf("key: exit %d", code)
	}
	verify := []string{"audit", "verify", "--file", file, "--public-key", strings.TrimSpace(key)}
	if _, code := run(t, nil, verify...); code != 0 {
		t.Errorf("verify of the export: exit %d", code)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte(secretMarker)) {
		t.Error("the export holds a payload")
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, code := run(t, nil, verify...); code != 3 {
		t.Errorf("verify of a changed export: exit %d; want 3", code)
	}
}

func trailShowsAChange(t *testing.T, g *calledGateway, store string) {
	t.Helper()
	conn, err := sqlite.OpenConn(store, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.Execute(conn, "UPDATE trail SET body = CAST(replace(CAST(body AS TEXT), 'event-00007', 'event-00008') AS BLOB) WHERE number = (SELECT min(number) FROM trail WHERE CAST(body AS TEXT) LIKE '%event-00007%')", nil); err != nil {
		t.Fatal(err)
	}
	if n := conn.Changes(); n != 1 {
		t.Fatalf("%d entries changed", n)
	}
	if _, code := run(t, nil, "audit", "verify", "--config", g.config); code != 3 {
		t.Errorf("verify of a changed trail: exit %d; want 3", code)
	}
}
