package bulkapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token  = "00DSp0000000001!good"
	userID = salesforce.ID("005Sp0000000001IAA")
	v67    = "/services/data/v67.0/jobs/"
)

var noon = time.Date(2026, 8, 20, 12, 0, 0, 517_000_000, time.UTC)

const custom = `
objects:
  - name: Account
    fields:
      - {name: Ext__c, type: text, length: 20, unique: true, externalId: true}
      - {name: Code__c, type: text, length: 20, externalId: true}
  - name: Part__c
    fields:
      - {name: Ext__c, type: text, length: 20, unique: true, externalId: true}
      - {name: Whole__c, type: lookup, to: Account}
      - {name: Weight__c, type: number, precision: 18, scale: 3}
      - {name: Pieces__c, type: number, precision: 9, scale: 0}
      - {name: Fragile__c, type: checkbox}
      - {name: Made__c, type: date}
      - {name: Sent__c, type: datetime}
      - {name: Notes__c, type: textarea, length: 32000}
changeEvents: [Account]
`

// org is the API with everything behind it.
type org struct {
	t      testing.TB
	engine *record.Engine
	clock  *clock.Clock
	faults *fault.Board
	heard  *ears
	api    *bulkapi.API
	url    string
}

// ears remembers what the engine told, unless deaf.
type ears struct {
	mu   sync.Mutex
	deaf bool
	txs  []record.Transaction
}

func (e *ears) Committed(tx record.Transaction) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.deaf {
		e.txs = append(e.txs, tx)
	}
}

func (e *ears) all() []record.Transaction {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.txs
}

type sessions struct{}

func (sessions) Authenticate(given string) (session.Session, bool) {
	return session.Session{Token: given, UserID: userID}, given == token
}

// newOrg makes an org whose clock stands still and whose jobs take no time,
// unless change says otherwise.
func newOrg(t testing.TB, change func(*bulkapi.Config)) *org {
	t.Helper()
	catalog, err := schema.Parse([]byte(custom))
	if err != nil {
		t.Fatal(err)
	}
	o := &org{t: t, clock: clock.NewManual(noon), heard: &ears{}}
	o.faults = fault.NewBoard(o.clock)
	if o.engine, err = record.Open(record.Config{Catalog: catalog, Now: o.clock.Now, Listener: o.heard}); err != nil {
		t.Fatal(err)
	}
	user, _ := catalog.Object("User")
	if _, err := o.engine.Load(context.Background(), user, []record.Row{{
		"Id": string(userID), "Username": "ada@sim.example", "LastName": "Admin", "FirstName": "Ada", "Email": "ada@sim.example", "Alias": "ada",
	}}); err != nil {
		t.Fatal(err)
	}
	cfg := bulkapi.Config{
		Engine: o.engine, Sessions: sessions{}, Clock: o.clock, Faults: o.faults, Dir: t.TempDir() + "/jobs", TimeFactor: -1, Seed: 7,
		CountCall: func() string { return "api-usage=1/15000" },
	}
	if change != nil {
		change(&cfg)
	}
	if o.api, err = bulkapi.New(cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(o.api)
	o.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := o.api.Close(); err != nil {
			t.Error(err)
		}
		if err := o.engine.Close(); err != nil {
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
	return o.send(method, path, strings.NewReader(body), headers...)
}

func (o *org) send(method, path string, body io.Reader, headers ...string) answer {
	o.t.Helper()
	req, err := http.NewRequest(method, o.url+path, body)
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	res, err := client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

// want checks status and, byte for byte, the body.
func (a answer) want(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

func refusal(code, message string) string {
	data, _ := json.Marshal(message)
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(data))
	return `[{"errorCode":"` + code + `","message":` + text + `}]`
}

// jobInfo is what tests read of a job.
type jobInfo struct {
	ID, State, ErrorMessage, Object                                           string
	NumberRecordsProcessed, NumberRecordsFailed, Retries, TotalProcessingTime int
	IsPkChunkingSupported                                                     bool
}

func (o *org) decode(a answer) (j jobInfo) {
	o.t.Helper()
	if err := json.Unmarshal([]byte(a.body), &j); err != nil {
		o.t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return j
}

func unmarshal(t testing.TB, a answer, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

// ingest runs a job over the file to its end.
func (o *org) ingest(create, file string) jobInfo {
	o.t.Helper()
	j := o.upload(create, file)
	if a := o.call("PATCH", v67+"ingest/"+j.ID, `{"state":"UploadComplete"}`); a.status != 200 {
		o.t.Fatalf("close: %d %s", a.status, a.body)
	}
	return o.finish("ingest", j.ID)
}

// upload creates a job and gives it its file.
func (o *org) upload(create, file string) jobInfo {
	o.t.Helper()
	a := o.call("POST", v67+"ingest", create)
	if a.status != 200 {
		o.t.Fatalf("create: %d %s", a.status, a.body)
	}
	j := o.decode(a)
	a = o.call("PUT", v67+"ingest/"+j.ID+"/batches", file, "Content-Type", "text/csv")
	a.want(o.t, 201, "")
	return j
}

// finish waits for the job's worker and returns the job.
func (o *org) finish(kind, id string) jobInfo {
	o.t.Helper()
	select {
	case <-bulkapi.Settled(o.api, id):
	case <-time.After(time.Minute):
		o.t.Fatal("job does not end")
	}
	return o.decode(o.call("GET", v67+kind+"/"+id, ""))
}

// query runs a query job to its end.
func (o *org) query(statement string) jobInfo {
	o.t.Helper()
	body, _ := json.Marshal(map[string]string{"operation": "query", "query": statement})
	a := o.call("POST", v67+"query", string(body))
	if a.status != 200 {
		o.t.Fatalf("create: %d %s", a.status, a.body)
	}
	return o.finish("query", o.decode(a).ID)
}

// rows reads a CSV answer by another's reader: the header and the rows.
func (o *org) rows(a answer) (header []string, rows [][]string) {
	o.t.Helper()
	if a.status != 200 {
		o.t.Fatalf("%d %s", a.status, a.body)
	}
	all, err := csv.NewReader(bytes.NewBufferString(a.body)).ReadAll()
	if err != nil || len(all) == 0 {
		o.t.Fatalf("%q: %v", a.body, err)
	}
	return all[0], all[1:]
}

func (o *org) results(id, which string) (header []string, rows [][]string) {
	o.t.Helper()
	return o.rows(o.call("GET", v67+"ingest/"+id+"/"+which, ""))
}

// find runs a statement and returns its rows as text, columns joined by a bar.
func (o *org) find(statement string) []string {
	o.t.Helper()
	j := o.query(statement)
	_, rows := o.rows(o.call("GET", v67+"query/"+j.ID+"/results", "", "Accept", "text/csv"))
	found := make([]string, 0, len(rows))
	for _, row := range rows {
		found = append(found, strings.Join(row, "|"))
	}
	return found
}
