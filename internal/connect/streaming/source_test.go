package streaming_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/streaming"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const orgID = "00D5e000000AbCdEAK"

// endpoint is a Streaming API that sends the same messages once to whoever
// subscribes. schema answers what event a schema is of.
type endpoint struct {
	server  *httptest.Server
	events  []string
	schema  func(id string) (status int, body string)
	schemas atomic.Int32 // asked for
}

func newEndpoint(t *testing.T, events ...string) *endpoint {
	e := &endpoint{events: events}
	e.server = httptest.NewServer(e)
	t.Cleanup(e.server.Close)
	return e
}

// Token and Invalidate are the login.
func (e *endpoint) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: secret.New("T"), InstanceURL: e.server.URL, OrgID: orgID}, nil
}
func (e *endpoint) Invalidate(auth.Token) {}

// ServeHTTP answers one request.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id, ok := strings.CutPrefix(r.URL.Path, "/services/data/v67.0/event/eventSchema/"); ok {
		e.schemas.Add(1)
		status, body := e.schema(id)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return
	}
	var asked []struct {
		Channel, ID, Subscription string
		Advice                    *struct{}
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked) != 1 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m := asked[0]
	if m.Channel == "/meta/connect" && m.Advice == nil {
		<-r.Context().Done()
		return
	}
	var before string
	if m.Channel == "/meta/subscribe" {
		for _, data := range e.events {
			before += fmt.Sprintf(`{"channel":%q,"data":%s},`, m.Subscription, data)
		}
	}
	fmt.Fprintf(w, `[%s{"channel":%q,"id":%q,"clientId":"c","ext":{"replay":true},"successful":true}]`, before, m.Channel, m.ID)
}

func (e *endpoint) open(t *testing.T, topic, key string) event.Stream {
	t.Helper()
	client, err := cometd.New(cometd.Config{DisconnectTimeout: time.Millisecond}, e, nil)
	check(t, err)
	t.Cleanup(func() { _ = client.Close() })
	parsed, err := salesforce.ParseTopic(topic)
	check(t, err)
	source, err := streaming.NewSource(streaming.Config{Topic: parsed, KeyField: key}, client)
	check(t, err)
	stream, err := source.Open(t.Context(), event.Start{Earliest: true})
	check(t, err)
	return stream
}

func next(t *testing.T, stream event.Stream) (event.Batch, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return stream.Next(ctx)
}

func data(id int, uuid, payload string) string {
	return fmt.Sprintf(`{"schema":"S%d","payload":%s,"event":{"EventUuid":%q,"replayId":%d}}`, id, payload, uuid, id)
}

func TestStream_PlatformEvents(t *testing.T) {
	t.Parallel()
	const uuid = "2ec0e371-1395-457f-9275-be1b527a72f7"
	e := newEndpoint(t, data(1, uuid, `{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005x","Sku__c":"A-17","Qty__c":3.0}`))
	batch, err := next(t, e.open(t, "/event/Order__e", "Sku__c"))
	check(t, err)
	want := []event.Event{{
		ID: uuid, Source: "salesforce/" + orgID + "/event/Order__e", Type: "com.salesforce.event.Order__e",
		Time: time.UnixMilli(1787250700517).UTC(), Key: "A-17", OrgID: orgID,
		// As the Pub/Sub source makes it from the same UUID.
		TraceParent: "00-2ec0e3711395457f9275be1b527a72f7-" + batch.Events[0].TraceParent[36:52] + "-01",
		Data:        []byte(`{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005x","Sku__c":"A-17","Qty__c":3}`),
	}}
	if diff := cmp.Diff(want, batch.Events); diff != "" {
		t.Error(diff)
	}
	if e.schemas.Load() != 0 {
		t.Error("a schema was asked for, which costs an API call")
	}
}

// What cannot be decoded leaves between good events as an event of its own type.
func TestStream_UndecodableIsNeitherDroppedNorFatal(t *testing.T) {
	t.Parallel()
	bad := []string{
		`"text"`, `{"payload":{"a":1},"event":{"EventUuid":"no-place"}}`, data(4, "", `[1]`), data(5, "u5", `{"ChangeEventHeader":{}}`), `{"event":{"replayId":6}}`,
	}
	e := newEndpoint(t, append(append([]string{data(1, "u1", `{"a":1}`)}, bad...), data(9, "u9", `{"a":2}`))...)
	batch, err := next(t, e.open(t, "/event/Order__e", ""))
	check(t, err)
	if len(batch.Events) != 7 {
		t.Fatalf("Next() = %+v", batch)
	}
	seen := map[string]bool{}
	for i, ev := range batch.Events {
		seen[ev.ID] = true
		if i == 0 || i == 6 {
			if ev.Type != "com.salesforce.event.Order__e" || string(ev.Data) != fmt.Sprintf(`{"a":%d}`, 1+i/6) {
				t.Errorf("event %d = %+v with %s", i, ev, ev.Data)
			}
			continue
		}
		var d struct {
			Payload string `json:"payload_base64"`
			Error   string `json:"error"`
		}
		check(t, json.Unmarshal(ev.Data, &d))
		raw, err := base64.StdEncoding.DecodeString(d.Payload)
		check(t, err)
		if ev.Type != event.TypeUndecodable || string(raw) != bad[i-1] || d.Error == "" || ev.Time.IsZero() {
			t.Errorf("event %d = %+v with %s", i, ev, ev.Data)
		}
	}
	if len(seen) != 7 {
		t.Errorf("ids are not distinct: %v", ids(batch.Events))
	}
}

// On a custom channel the schema tells the event's name: asked once, and the
// event comes again when it cannot be had for now.
func TestStream_CustomChannels(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, data(1, "u1", `{"a":1}`), data(2, "u2", `{"a":1}`), strings.Replace(data(3, "u3", `{"a":1}`), "S3", "S1", 1))
	e.schema = func(id string) (int, string) {
		if id == "S1" {
			return 200, `{"type":"record","name":"Stock_Low__e","fields":[]}`
		}
		return 404, `[]`
	}
	batch, err := next(t, e.open(t, "/event/Sales__chn", ""))
	check(t, err)
	var types []string
	for _, ev := range batch.Events {
		types = append(types, ev.Type)
	}
	if diff := cmp.Diff([]string{"com.salesforce.event.Stock_Low__e", event.TypeUndecodable, "com.salesforce.event.Stock_Low__e"}, types); diff != "" {
		t.Error(diff)
	}
	if n := e.schemas.Load(); n != 2 {
		t.Errorf("%d schemas were asked for, want 2", n)
	}
	down := newEndpoint(t, data(1, "u1", `{"a":1}`))
	down.schema = func(string) (int, string) { return 503, "<html>" }
	if batch, err := next(t, down.open(t, "/event/Sales__chn", "")); err == nil || event.HealingOf(err) != event.Transient {
		t.Errorf("Next() = %+v, %v", batch, err)
	}
}
