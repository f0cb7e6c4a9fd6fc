package restapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/restapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const (
	token  = "00DSp0000000001!good"
	userID = salesforce.ID("005Sp0000000001IAA")
	orgID  = salesforce.ID("00DSp0000000001MAA")
)

var startOfTest = time.Date(2026, 8, 20, 9, 14, 2, 517_000_000, time.UTC)

// org is one API with everything behind it.
type org struct {
	t       *testing.T
	catalog *schema.Catalog
	engine  *record.Engine
	heard   *listener
	bus     *publisher
	url     string
	api     *restapi.API
	passed  atomic.Int64
}

type listener struct {
	mu  sync.Mutex
	txs []record.Transaction
}

func (l *listener) Committed(tx record.Transaction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.txs = append(l.txs, tx)
}

func (l *listener) all() []record.Transaction {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.txs
}

type published struct {
	object string
	row    record.Row
	user   salesforce.ID
}

// publisher is a bus that remembers, and is down when told so.
type publisher struct {
	mu     sync.Mutex
	events []published
	err    error
}

func (p *publisher) Publish(o *schema.Object, row record.Row, user salesforce.ID) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.events = append(p.events, published{o.Name, row, user})
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", len(p.events)), nil
}

type sessions struct{}

func (sessions) Authenticate(given string) (session.Session, bool) {
	return session.Session{Token: given, OrgID: orgID, UserID: userID}, given == token
}

func newOrg(t *testing.T) *org {
	t.Helper()
	return newOrgWith(t, schema.Default())
}

func newOrgWith(t *testing.T, catalog *schema.Catalog) *org {
	t.Helper()
	return newOrgFrom(t, catalog, func(*restapi.Config) {})
}

// pass moves the org's clock.
func (o *org) pass(d time.Duration) { o.passed.Add(int64(d)) }

func newOrgFrom(t *testing.T, catalog *schema.Catalog, change func(*restapi.Config)) *org {
	t.Helper()
	o := &org{t: t, catalog: catalog, heard: &listener{}, bus: &publisher{}}
	now := func() time.Time { return startOfTest.Add(time.Duration(o.passed.Load())) }
	engine, err := record.Open(record.Config{Catalog: catalog, Now: now, Listener: o.heard})
	if err != nil {
		t.Fatal(err)
	}
	o.engine = engine
	user, _ := catalog.Object("User")
	if _, err := engine.Load(context.Background(), user, []record.Row{{
		"Id": string(userID), "Username": "ada@sim.example", "LastName": "Admin", "FirstName": "Ada", "Email": "ada@sim.example", "Alias": "ada",
	}}); err != nil {
		t.Fatal(err)
	}
	cfg := restapi.Config{
		Catalog: catalog, Engine: engine, Sessions: sessions{}, Publisher: o.bus, Now: now, OrgID: orgID, MaxBody: 100_000,
	}
	change(&cfg)
	o.api, err = restapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(o.api)
	o.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// answer is what a call got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (o *org) call(method, path, body string, headers ...string) answer {
	o.t.Helper()
	req, err := http.NewRequest(method, o.url+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(bytes.TrimSpace(data))}
}

// want checks status and, byte for byte, the body.
func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

// create makes a record over HTTP and returns its Id.
func (o *org) create(object, body string) string {
	o.t.Helper()
	a := o.call("POST", "/services/data/v67.0/sobjects/"+object, body)
	if a.status != http.StatusCreated {
		o.t.Fatalf("create %s: %d %s", object, a.status, a.body)
	}
	var saved struct{ ID string }
	o.decode(a, &saved)
	return saved.ID
}

func (o *org) decode(a answer, v any) {
	o.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		o.t.Fatalf("decode %s: %v", a.body, err)
	}
}
