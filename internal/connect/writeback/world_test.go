package writeback_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/writeback"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// secretName is in every payload of these tests and may be in no outcome.
const secretName = "Hildegard Pfeffer"

// world is a simulated org with the wires to it.
type world struct {
	t      *testing.T
	org    *orgsim.Org
	wires  writeback.Wires
	tokens *auth.Source
	tap    *tap
}

// tap counts API requests by path, and may answer in the org's place.
type tap struct {
	next http.RoundTripper

	mu     sync.Mutex
	made   []string
	answer func(r *http.Request, body []byte) *http.Response
}

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	p.mu.Lock()
	if strings.HasPrefix(r.URL.Path, "/services/data/") {
		p.made = append(p.made, r.Method+" "+r.URL.Path)
	}
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		if resp := answer(r, body); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	return p.next.RoundTrip(r)
}

// calls returns the requests made since the last time.
func (p *tap) calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := p.made
	p.made = nil
	return made
}

func newWorld(t *testing.T, change ...func(*orgsim.Config)) *world {
	t.Helper()
	cfg := orgsim.Config{BulkTimeFactor: -1, CheckPayloads: true}
	for _, c := range change {
		c(&cfg)
	}
	org, err := orgsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Errorf("close org: %v", err)
		}
	})
	w := &world{t: t, org: org, tap: &tap{next: &http.Transport{DisableKeepAlives: true}}}
	client := &http.Client{Transport: w.tap}
	w.tokens, err = auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
		Attempts: 1,
	}, client)
	w.check(err)
	w.wires.REST, err = rest.New(rest.Config{RetryWait: time.Millisecond}, w.tokens, client)
	w.check(err)
	w.wires.Bulk, err = bulk.New(bulk.Config{RetryWait: time.Millisecond, PollFirst: 2 * time.Millisecond, PollMax: 200 * time.Millisecond}, w.tokens, client)
	w.check(err)
	w.wires.Bus, err = pubsub.New(pubsub.Config{Address: org.PubSubAddr(), Plaintext: true}, w.tokens)
	w.check(err)
	t.Cleanup(func() { _ = w.wires.Bus.Close() })
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) destination(cfg writeback.Config) *writeback.Destination {
	w.t.Helper()
	d, err := writeback.New(cfg, w.wires)
	w.check(err)
	w.t.Cleanup(d.Close)
	return d
}

// upserts is the route that most tests speak of.
func (w *world) upserts() *writeback.Destination {
	return w.destination(writeback.Config{Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c"})
}

func (w *world) fault(f fault.Fault) {
	w.t.Helper()
	_, err := w.org.Faults().Set(f)
	w.check(err)
}

// rows runs a query in the org itself and returns each row's values as text, joined
// by a bar: the ground truth.
func (w *world) rows(soql string) []string {
	w.t.Helper()
	result, err := w.org.Records().Query(w.t.Context(), soql, false)
	w.check(err)
	out := []string{}
	for _, row := range result.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = fmt.Sprint(v)
		}
		if !strings.HasPrefix(soql, "SELECT Id ") {
			cells = cells[1:] // the engine reads the Id whether asked for or not
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

// published counts the ids that were published to a topic.
func (w *world) published(topic string) int {
	w.t.Helper()
	ids := map[string]bool{}
	for _, id := range w.org.Published(topic) {
		ids[id] = true
	}
	return len(ids)
}

// batch makes events of data, which anything but a string marshals to.
func batch(data ...any) []event.Attempted {
	var out []event.Attempted
	for i, d := range data {
		text, ok := d.(string)
		if !ok {
			raw, err := json.Marshal(d)
			if err != nil {
				panic(err)
			}
			text = string(raw)
		}
		out = append(out, event.Attempted{Number: 1, Event: event.Event{ID: fmt.Sprintf("e-%d", i), Route: "write", Data: []byte(text)}})
	}
	return out
}

func account(n int) map[string]any {
	return map[string]any{"External_Id__c": fmt.Sprintf("A-%04d", n), "Name": fmt.Sprintf("%s %d", secretName, n)}
}

func accounts(n int) []event.Attempted {
	var all []any
	for i := range n {
		all = append(all, account(i))
	}
	return batch(all...)
}

// outcomes delivers a batch and holds what comes back to what holds for all of them.
func (w *world) outcomes(d *writeback.Destination, events []event.Attempted) []event.Outcome {
	w.t.Helper()
	out := d.DeliverBatch(w.t.Context(), events)
	if len(out) != len(events) {
		w.t.Fatalf("%d outcomes of %d events", len(out), len(events))
	}
	for i, o := range out {
		if (o.Reason == "") != (o.Verdict == event.Delivered) {
			w.t.Errorf("event %d: %s with reason %q", i, o.Verdict, o.Reason)
		}
		if o.Verdict == event.Reject && o.Hint == "" {
			w.t.Errorf("event %d: rejected without a hint: %s", i, o.Reason)
		}
		if text := o.Reason + o.Hint; strings.Contains(text, "Hildegard") || strings.Contains(text, "Pfeffer") {
			w.t.Errorf("event %d: an outcome quotes the payload: %+v", i, o)
		}
	}
	return out
}

func (w *world) delivered(d *writeback.Destination, events []event.Attempted) {
	w.t.Helper()
	for i, o := range w.outcomes(d, events) {
		if o.Verdict != event.Delivered || o.Happened != event.HappenedYes {
			w.t.Errorf("event %d: %+v", i, o)
		}
	}
}
