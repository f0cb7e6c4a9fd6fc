package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// recordsEnv sets how many records change while the gateway is away.
const recordsEnv = "SALLYPORT_REFILL_RECORDS"

// accounts changes an org's accounts, 200 in a call, as an import would.
type accounts struct {
	t      *testing.T
	ctx    context.Context
	org    *org
	tokens *auth.Source
	rest   *rest.Client
}

func newAccounts(ctx context.Context, o *org) *accounts {
	o.t.Helper()
	a := &accounts{t: o.t, ctx: ctx, org: o}
	var err error
	a.tokens, err = auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: o.url(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, nil)
	a.check(err)
	a.rest, err = rest.New(rest.Config{}, a.tokens, nil)
	a.check(err)
	o.t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return a
}

func (a *accounts) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// call makes a collections call; every row must succeed. It returns the Ids.
func (a *accounts) call(method, query string, records []map[string]any) (ids []string) {
	a.t.Helper()
	token, err := a.tokens.Token(a.ctx)
	a.check(err)
	var body io.Reader
	if records != nil {
		text, err := json.Marshal(map[string]any{"allOrNone": true, "records": records})
		a.check(err)
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(a.ctx, method, a.org.url()+"/services/data/v67.0/composite/sobjects"+query, body)
	a.check(err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	a.check(err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized { // the clock has moved past the session's end
		a.tokens.Invalidate(token)
		return a.call(method, query, records)
	}
	var rows []struct {
		ID      string `json:"id"`
		Success bool   `json:"success"`
		Message string `json:"message"`
		Errors  []struct{ Message string }
	}
	a.check(json.NewDecoder(resp.Body).Decode(&rows))
	for _, r := range rows {
		if !r.Success {
			a.t.Fatalf("%s accounts: %s: %s %v", method, resp.Status, r.Message, r.Errors)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

// create makes n accounts, each with a name of its own, so that their changes
// are not merged into one event.
func (a *accounts) create(n int, name string) (ids []string) {
	a.t.Helper()
	for from := 0; from < n; from += 200 {
		rows := make([]map[string]any, min(200, n-from))
		for i := range rows {
			rows[i] = map[string]any{
				"attributes": map[string]string{"type": "Account"}, "Name": fmt.Sprintf("%s %d", name, from+i),
				"Phone": strconv.Itoa(from + i), "BillingCity": "Bonn", "NumberOfEmployees": from + i,
			}
		}
		ids = append(ids, a.call(http.MethodPost, "", rows)...)
	}
	return ids
}

// update sets a field of accounts to a value made for each.
func (a *accounts) update(ids []string, field string, value func(i int) any) {
	a.t.Helper()
	for from, some := range chunks(ids) {
		rows := make([]map[string]any, len(some))
		for i, id := range some {
			rows[i] = map[string]any{"attributes": map[string]string{"type": "Account"}, "id": id, field: value(from + i)}
		}
		a.call(http.MethodPatch, "", rows)
	}
}

// knock changes an account until the application hears of it: a subscription at
// the tip begins some time after it is accepted, and nothing says when.
func (a *accounts) knock(id string, app *application, g *gateway) {
	a.t.Helper()
	n := 0
	eventually(a.t, 30*time.Second, func() bool {
		n++
		a.update([]string{id}, "Name", func(int) any { return fmt.Sprintf("knock %d", n) })
		return app.distinct() > 0
	}, func() string { return fmt.Sprintf("nothing arrives: %+v", g.status().Subscriptions) })
}

func (a *accounts) remove(ids []string) {
	a.t.Helper()
	for _, some := range chunks(ids) {
		a.call(http.MethodDelete, "?ids="+url.QueryEscape(strings.Join(some, ",")), nil)
	}
}

func chunks(ids []string) map[int][]string {
	all := map[int][]string{}
	for from := 0; from < len(ids); from += 200 {
		all[from] = ids[from:min(from+200, len(ids))]
	}
	return all
}

// mirrored are the fields that the application keeps.
var mirrored = []string{"Name", "Phone", "NumberOfEmployees", "City"}

// state is the org's accounts by Id, as they are.
func (a *accounts) state() map[string]map[string]any {
	a.t.Helper()
	all := map[string]map[string]any{}
	for record, err := range a.rest.Query(a.ctx, rest.Query{SOQL: "SELECT Id, Name, Phone, NumberOfEmployees, BillingCity FROM Account"}) {
		a.check(err)
		var r map[string]any
		a.check(json.Unmarshal(record, &r))
		all[r["Id"].(string)] = map[string]any{
			"Name": r["Name"], "Phone": r["Phone"], "NumberOfEmployees": r["NumberOfEmployees"], "City": r["BillingCity"],
		}
	}
	return all
}

// change is the data of a change event.
type change struct {
	Header struct {
		IDs      []string `json:"recordIds"`
		Type     string   `json:"changeType"`
		Refilled bool     `json:"refilled"`
	} `json:"header"`
	Fields map[string]any `json:"fields"`
}

// told are the changes that have arrived, in order. Those of a transaction that was
// read again and cut elsewhere are known by their own ids.
func (a *application) told(t *testing.T) (all []change) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[string]bool{}
	for _, got := range a.arrivals {
		var e struct {
			change
			Changes []struct {
				ID   string `json:"id"`
				Data change `json:"data"`
			} `json:"changes"`
		}
		if err := json.Unmarshal(got.data, &e); err != nil {
			t.Fatal(err)
		}
		if e.Changes == nil {
			all = append(all, e.change)
		}
		for _, c := range e.Changes {
			if !seen[c.ID] {
				seen[c.ID], all = true, append(all, c.Data)
			}
		}
	}
	return all
}

// mirror applies the arrivals, in order, to an empty copy: what an application
// would hold that knows nothing but its events. It also counts the refilled ones.
func (a *application) mirror(t *testing.T) (copied map[string]map[string]any, refilled int) {
	t.Helper()
	copied = map[string]map[string]any{}
	for _, e := range a.told(t) {
		if e.Header.Refilled {
			refilled++
		}
		for _, id := range e.Header.IDs {
			if e.Header.Type == "DELETE" {
				delete(copied, id)
				continue
			}
			if copied[id] == nil {
				copied[id] = map[string]any{}
			}
			apply(copied[id], e.Fields)
		}
	}
	return copied, refilled
}

// has reports whether an event of a record has arrived.
func (a *application) has(record string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.arrivals, func(got arrival) bool { return got.key == record })
}

func apply(row, fields map[string]any) {
	for _, name := range mirrored {
		if v, ok := fields[name]; ok {
			row[name] = v
		}
	}
	if address, ok := fields["BillingAddress"].(map[string]any); ok {
		if city, ok := address["City"]; ok {
			row["City"] = city
		}
	}
}

// requests is how many API requests the org has counted.
func (o *org) requests() int64 {
	o.t.Helper()
	var stats struct {
		REST int64 `json:"restRequests"`
	}
	if err := o.control(http.MethodGet, "stats", &stats); err != nil {
		o.t.Fatal(err)
	}
	return stats.REST
}

// place is where a gateway keeps its events, and how it gets them.
type place struct {
	name      string
	store     func(t *testing.T) string
	transport string
}

// places are both stores and both transports.
var places = []place{{"SQLite over Pub/Sub", sqliteStore, "pubsub"}, {"PostgreSQL over CometD", postgresStore, "cometd"}}

func sqliteStore(t *testing.T) string { return filepath.Join(t.TempDir(), "sallyport.db") }

// postgresStore is a schema of its own, in the form of the store's section.
func postgresStore(t *testing.T) string {
	database := testkit.Postgres(t)
	return fmt.Sprintf("{url: %q, schema: %s}", database.URL, database.Schema)
}

// newChangeGateway writes a configuration with one route for account changes.
func newChangeGateway(t *testing.T, o *org, appURL string, where place) *gateway {
	t.Helper()
	g := &gateway{t: t, name: "gateway", address: freeAddress(t), config: filepath.Join(t.TempDir(), "sallyport.yaml")}
	text := fmt.Sprintf(`org:
  login_url: %s
  client_id: %s
  client_secret: %s
  pubsub: {endpoint: "%s", plaintext: true}
store: %s
control: {listen: "%s"}
routes:
  accounts:
    pattern: events
    topic: /data/AccountChangeEvent
    transport: %s
    start: latest
    concurrency: 64
    retry: {first: 50ms, max: 1s, attempts: 50}
    to: {url: "%s/events"}
`, o.url(), orgsim.DefaultClientID, orgsim.DefaultClientSecret, o.pubsub, where.store(t), g.address, where.transport, appURL)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// away is how many records change while the gateway is away.
func away(t *testing.T) int {
	t.Helper()
	n := 20_000
	if text := os.Getenv(recordsEnv); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1000 {
			t.Fatalf("%s=%s is no number of at least 1000", recordsEnv, text)
		}
	}
	return n
}

// 72 hours and a minute away, with changes, deletions and new records in them, and more of each
// that the org still retains: the application ends with the org's values exactly,
// although the gateway is killed while it refills, and it costs less than one API
// request for a thousand records.
func TestRefill_ThreeDaysAwayConvergeExactly(t *testing.T) {
	t.Parallel()
	for _, where := range places {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			n := away(t)
			if where.transport == "cometd" {
				n = max(n/10, 1000) // few enough for pages of REST
			}
			threeDaysAway(t, n, where)
		})
	}
}

func threeDaysAway(t *testing.T, n int, where place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(n)*5*time.Millisecond)
	defer cancel()
	o, app := startOrg(t), newApplication(t)
	records := newAccounts(ctx, o)
	ids := records.create(n, "before")
	g := newChangeGateway(t, o, app.server.URL, where)
	g.start()
	records.knock(ids[0], app, g)
	records.update(ids[:50], "Name", func(i int) any { return fmt.Sprintf("seen %d", i) })
	eventually(t, 30*time.Second, func() bool { m, _ := app.mirror(t); return len(m) == 50 }, func() string { return fmt.Sprintf("%d events arrived", app.distinct()) })
	g.process.stop(30 * time.Second)

	records.update(ids, "Name", func(i int) any { return fmt.Sprintf("in the gap %d", i) })
	records.update(ids[:500], "Phone", func(int) any { return nil })
	gone := min(1000, n/20)
	records.remove(ids[n-gone:])
	lost := records.create(300, "born in the gap")
	records.remove(lost[:20])
	o.must(http.MethodPost, "clock", map[string]string{"advance": "72h1m"})
	records.update(ids[100:400], "NumberOfEmployees", func(i int) any { return 1_000_000 + i })
	records.remove(ids[400:450])
	records.remove(lost[20:40])
	records.create(100, "born later")

	before := o.requests()
	g.start()
	eventually(t, time.Minute, func() bool { return len(g.gaps()) == 1 && g.gaps()[0].Read > 0 }, func() string { return fmt.Sprintf("gaps: %+v", g.gaps()) })
	g.process.kill()
	g.start()
	want := records.state()
	records.check(ctx.Err())
	eventually(t, time.Until(deadline(ctx)), func() bool { return g.route("accounts").Waiting == 0 && g.refilled() },
		func() string { return fmt.Sprintf("%+v, %+v", g.route("accounts"), g.gaps()) })
	calls := o.requests() - before - int64(len(want)+1999)/2000 // ours, for the comparison
	live := records.create(1, "the end")
	eventually(t, 30*time.Second, func() bool { return app.has(live[0]) }, func() string { return "what comes after the refill does not arrive" })

	have, refilled := app.mirror(t)
	delete(have, live[0])
	if diff := cmp.Diff(len(want), len(have)); diff != "" {
		t.Errorf("number of records (-org +application): %s", diff)
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(want[id], have[id]); diff != "" {
			t.Fatalf("account %s (-org +application):\n%s", id, diff)
		}
	}
	gap := g.gaps()[len(g.gaps())-1] // after a kill there may be one more, which misses nothing
	changed := n + len(lost)
	if gap.Cause != "position-expired" && gap.Cause != "position-corrupted" || gap.Refilled < int64(changed) || gap.From.IsZero() || gap.Until.IsZero() {
		t.Errorf("gap: %+v, want at least %d events rebuilt", gap, changed)
	}
	t.Logf("%d changed records, %d of them deleted, took %d API requests (%.2f for 1,000), %d events refilled, the refill %s",
		changed, gone+20, calls, float64(calls)*1000/float64(changed), refilled, gap.Filled.Sub(gap.Opened).Round(time.Millisecond))
	if n > 10_000 && calls*1000 > int64(changed) {
		t.Errorf("%d API requests for %d records", calls, changed)
	}
}

func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}

// gaps lists the gaps, as the command line does.
func (g *gateway) gaps() []control.Gap {
	g.t.Helper()
	return ask[struct{ Gaps []control.Gap }](g, "gaps", "list").Gaps
}

// refilled tells whether every gap has ended with nothing missing.
func (g *gateway) refilled() bool {
	g.t.Helper()
	return !slices.ContainsFunc(g.gaps(), func(gap control.Gap) bool { return gap.State != "refilled" })
}

// route is a route's account; audit must find nothing.
func (g *gateway) route(name string) control.Ledger {
	g.t.Helper()
	for _, l := range ask[control.AuditReport](g, "audit").Ledgers {
		if l.Route == name {
			return l
		}
	}
	return control.Ledger{Waiting: -1}
}

// A gap event is replaced by the record it names, as it is; an overflow by all
// that changed on the object. What comes after both arrives.
func TestGapEvents_AreReplacedByTheRecords(t *testing.T) {
	t.Parallel()
	for _, where := range places {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			gapEventsAreReplaced(t, where)
		})
	}
}

func gapEventsAreReplaced(t *testing.T, where place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o, app := startOrg(t), newApplication(t)
	records := newAccounts(ctx, o)
	ids := records.create(30, "quiet")
	g := newChangeGateway(t, o, app.server.URL, where)
	g.start()
	records.knock(ids[0], app, g)
	o.must(http.MethodPost, "gap", map[string]any{"object": "Account", "recordIds": []string{ids[7]}})
	eventually(t, 30*time.Second, func() bool { return app.has(ids[7]) }, func() string { return "the record that the gap event names does not arrive" })
	want := records.state()
	have, refilled := app.mirror(t)
	if diff := cmp.Diff(want[ids[7]], have[ids[7]]); diff != "" || refilled != 1 {
		t.Errorf("%d refilled, record (-org +application):\n%s", refilled, diff)
	}
	o.must(http.MethodPost, "gap", map[string]any{"object": "Account", "changeType": "GAP_OVERFLOW"})
	last := records.create(1, "the end")[0]
	eventually(t, time.Minute, func() bool { return app.has(last) && len(g.gaps()) == 1 && g.gaps()[0].State == "refilled" },
		func() string { return fmt.Sprintf("gaps: %+v", g.gaps()) })
	want = records.state()
	have, _ = app.mirror(t)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("accounts (-org +application):\n%s", diff)
	}
	gap := g.gaps()[0]
	if gap.Cause != "overflow" || gap.Object != "Account" || gap.Read < 30 {
		t.Errorf("gap: %+v", gap)
	}
	if _, code := run(t, nil, "gaps", "accept", strconv.FormatInt(gap.Number, 10), "--config", g.config); code != 2 {
		t.Errorf("accepting a gap that misses nothing: exit %d, want 2", code)
	}
	if b := ask[struct{ Budget *budget.Status }](g, "budget").Budget; b == nil || b.Max == 0 || b.Own == 0 {
		t.Errorf("budget: %+v", b)
	}
}
