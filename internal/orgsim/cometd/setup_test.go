package cometd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/cometd"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	stock   = "/event/Stock_Low__e"
	changes = "/data/AccountChangeEvent"
	someone = salesforce.ID("005Dp000000PpjsIAC")
)

func objects() []*schema.Object {
	list := []*schema.Object{
		{Name: "Stock_Low__e", Kind: schema.PlatformEvent, Fields: []*schema.Field{
			{Name: "Sku__c", Type: schema.TypeString}, {Name: "Qty__c", Type: schema.TypeDouble}, {Name: "Due__c", Type: schema.TypeDateTime},
		}},
		{Name: "Account", ChangeEvents: true, KeyPrefix: "001", Fields: []*schema.Field{
			{Name: "Id", Type: schema.TypeID},
			{Name: "Name", Type: schema.TypeString, NameField: true},
			{Name: "Phone", Type: schema.TypePhone},
			{Name: "Industry", Type: schema.TypePicklist},
			{Name: "BillingStreet", Type: schema.TypeString, Compound: "BillingAddress", Part: "Street"},
			{Name: "BillingCity", Type: schema.TypeString, Compound: "BillingAddress", Part: "City"},
			{Name: "BillingAddress", Type: schema.TypeAddress},
			{Name: "Founded__c", Type: schema.TypeDate},
			{Name: "LastModifiedDate", Type: schema.TypeDateTime},
		}},
	}
	if _, err := schema.NewCatalog(list); err != nil { // indexes the fields
		panic(err)
	}
	return list
}

// org is a bus with its Streaming API behind the switchboard, on a loopback port
// and a clock that stands still.
type org struct {
	clock    *clock.Clock
	faults   *fault.Board
	sessions *session.Store
	bus      *bus.Bus
	server   *cometd.Server
	url      string
	objects  []*schema.Object
}

func start(t testing.TB, change ...func(*cometd.Config)) *org {
	t.Helper()
	return startWith(t, bus.Config{}, change...)
}

func startWith(t testing.TB, events bus.Config, change ...func(*cometd.Config)) *org {
	t.Helper()
	o := &org{clock: clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 517e6, time.UTC)), objects: objects()}
	o.faults = fault.NewBoard(o.clock)
	events.Objects, events.Clock, events.Faults = o.objects, o.clock, o.faults
	var err error
	if o.bus, err = bus.Open(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	o.sessions, err = session.New(session.Config{
		OrgID: "00D5e000000AbCdEAK", InstanceURL: "http://127.0.0.1:8080", Clock: o.clock, Lifetime: 1000 * time.Hour,
		Users: []session.User{{Username: "u@x", Password: "p"}, {Username: "other@x", Password: "p"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := cometd.Config{Bus: o.bus, Sessions: o.sessions, Clock: o.clock, Faults: o.faults}
	for _, f := range change {
		f(&cfg)
	}
	if o.server, err = cometd.New(cfg); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(o.faults.Middleware(o.server, func(token string) { o.sessions.Revoke(token) }))
	o.url = web.URL
	t.Cleanup(func() {
		o.server.Stop()
		web.Close()
		if err := o.bus.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *org) publish(t testing.TB, sku string) string {
	t.Helper()
	id, err := o.bus.Publish(o.objects[0], record.Row{"Sku__c": sku, "Qty__c": 3.0}, someone)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (o *org) commit(list ...record.Change) {
	for i := range list {
		list[i].Object = o.objects[1]
		if list[i].ID == "" {
			list[i].ID = "001Dp00000JJkkHIAT"
		}
	}
	o.bus.Committed(record.Transaction{
		Key: "00051d7a-2e4b-4a6f-9d8e-1f0a3b5c7d9e", At: o.clock.Now(), User: someone,
		Origin: "com/salesforce/api/rest/67.0;client=x", Changes: list,
	})
}

// held waits until n connects wait for events: from then on a clock that is
// moved, an event or a revocation meets them.
func (o *org) held(t testing.TB, n int64) {
	t.Helper()
	for o.server.Stats().Holding != n {
		if t.Context().Err() != nil {
			t.Fatal("no connect is held")
		}
		runtime.Gosched()
	}
}

// client is a Bayeux client that does nothing by itself.
type client struct {
	t       testing.TB
	org     *org
	token   string
	path    string
	http    *http.Client
	cookies []*http.Cookie
	id      string
}

func (o *org) client(t testing.TB) *client {
	t.Helper()
	s, err := o.sessions.Login("u@x")
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, org: o, token: "OAuth " + s.Token, path: "/cometd/67.0", http: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// response is an answer as it came.
type response struct {
	status int
	body   string
	header http.Header
	err    error
}

func (c *client) send(body string) response {
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.org.url+c.path, strings.NewReader(body))
	if err != nil {
		return response{err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", c.token)
	}
	for _, cookie := range c.cookies {
		request.AddCookie(cookie)
	}
	return c.do(request)
}

func (c *client) do(request *http.Request) response {
	answer, err := c.http.Do(request)
	if err != nil {
		return response{err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return response{answer.StatusCode, string(text), answer.Header, err}
}

// post sends messages and wants exactly the answer; "$id" in both stands for the
// client's id.
func (c *client) post(body, want string) {
	c.t.Helper()
	r := c.send(c.fill(body))
	if r.err != nil || r.status != http.StatusOK {
		c.t.Fatalf("%s: %d %s %v", body, r.status, r.body, r.err)
	}
	if r.body != c.fill(want) {
		c.t.Errorf("%s\n got %s\nwant %s", body, r.body, c.fill(want))
	}
}

func (c *client) fill(text string) string { return strings.ReplaceAll(text, "$id", c.id) }

// handshake makes the client known and keeps its cookies.
func (c *client) handshake() *client {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.org.url+c.path, strings.NewReader(handshakeMessage))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", c.token)
	for _, cookie := range c.cookies {
		request.AddCookie(cookie)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	var replies []struct {
		ClientID   string `json:"clientId"`
		Successful bool   `json:"successful"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&replies); err != nil || len(replies) != 1 || !replies[0].Successful {
		c.t.Fatalf("handshake: %s %v %v", answer.Status, replies, err)
	}
	c.id, c.cookies = replies[0].ClientID, answer.Cookies()
	return c
}

const handshakeMessage = `[{"channel":"/meta/handshake","version":"1.0","minimumVersion":"1.0",` +
	`"supportedConnectionTypes":["long-polling"],"ext":{"replay":true},"id":"1"}]`

// ready is a client that has shaken hands and had its first connect answered.
func (o *org) ready(t testing.TB) *client {
	t.Helper()
	c := o.client(t).handshake()
	c.post(`[{"channel":"/meta/connect","clientId":"$id","connectionType":"long-polling","id":"2"}]`,
		`[{"clientId":"$id","advice":{"interval":0,"timeout":110000,"reconnect":"retry"},"channel":"/meta/connect","id":"2","successful":true}]`)
	return c
}

func (c *client) subscribe(channel, replay string) *client {
	c.t.Helper()
	c.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"`+channel+`","id":"3","ext":{"replay":{"`+
		strings.Split(channel, "?")[0]+`":`+replay+`}}}]`,
		`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":"`+channel+`","successful":true}]`)
	return c
}

const (
	connectMessage = `[{"channel":"/meta/connect","clientId":"$id","connectionType":"long-polling","id":"9"}]`
	connectReply   = `{"clientId":"$id","channel":"/meta/connect","id":"9","successful":true}`
)

// connect polls in a goroutine of its own.
func (c *client) connect() <-chan response {
	answer := make(chan response, 1)
	go func() { answer <- c.send(c.fill(connectMessage)) }()
	return answer
}

// event is what the tests read of one.
type event struct {
	Channel string `json:"channel"`
	Data    struct {
		Payload json.RawMessage `json:"payload"`
		SObject json.RawMessage `json:"sobject"`
		Event   struct {
			UUID     string `json:"EventUuid"`
			ReplayID uint64 `json:"replayId"`
			Type     string `json:"type"`
		} `json:"event"`
	} `json:"data"`
}

// events polls once and returns what came before the connect's reply.
func (c *client) events() []event {
	c.t.Helper()
	r := c.send(c.fill(connectMessage))
	return c.read(r)
}

func (c *client) read(r response) []event {
	c.t.Helper()
	if r.err != nil || r.status != http.StatusOK {
		c.t.Fatalf("connect: %d %s %v", r.status, r.body, r.err)
	}
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(r.body), &all); err != nil {
		c.t.Fatalf("%s: %v", r.body, err)
	}
	if last := all[len(all)-1]; !bytes.Equal(last, []byte(c.fill(connectReply))) {
		c.t.Fatalf("connect: %s", last)
	}
	list := make([]event, len(all)-1)
	for i := range list {
		if err := json.Unmarshal(all[i], &list[i]); err != nil {
			c.t.Fatal(err)
		}
	}
	return list
}

func uuids(list []event) string {
	ids := make([]string, 0, len(list))
	for _, e := range list {
		ids = append(ids, e.Data.Event.UUID)
	}
	return strings.Join(ids, " ")
}

func number(p uint64) string { return strconv.FormatUint(p, 10) }
