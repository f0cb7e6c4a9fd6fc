package httpout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func batchOf(ids ...string) (batch []event.Attempted) {
	for i, id := range ids {
		e := sample()
		e.ID = id
		batch = append(batch, event.Attempted{Event: e, Number: i + 1})
	}
	return batch
}

// answers lets the application answer a batch with a status, a media type and a body.
func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// told is an outcome in few words.
func told(outcomes []event.Outcome) (all []string) {
	for _, o := range outcomes {
		all = append(all, fmt.Sprintf("%s %d %s %s", o.Verdict, o.Status, o.Happened, o.After))
	}
	return all
}

func TestBatch_IsWhatTheSDKReads(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{
		URL: server.URL + "/in", Secrets: []secret.String{secret.New(whsec(1)), secret.New(whsec(2))},
		Headers: map[string]secret.String{"authorization": secret.New("Bearer t0ken")},
	})
	batch := batchOf("a", "b\"\\\u00fc<&>\x01", "c", "d")
	batch[1].Event.Refilled = true
	batch[2].Event = event.Event{ID: "c", Source: "s", Type: "t"}
	batch[3].Event.Data = []byte("\xff not JSON")
	if diff := cmp.Diff([]string{"delivered 200 yes 0s", "delivered 200 yes 0s", "delivered 200 yes 0s", "delivered 200 yes 0s"}, told(d.DeliverBatch(t.Context(), batch))); diff != "" {
		t.Fatal(diff)
	}
	r := <-got
	if r.method != "POST" || r.path != "/in" || r.header.Get("Content-Type") != "application/cloudevents-batch+json" {
		t.Errorf("%s %s of %s", r.method, r.path, r.header.Get("Content-Type"))
	}
	want := []string{
		"Authorization", "Content-Length", "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp",
	}
	if diff := cmp.Diff(want, names(r.header)); diff != "" {
		t.Error(diff)
	}
	for _, s := range []string{whsec(1), whsec(2)} {
		hook, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Verify(r.body, r.header); err != nil {
			t.Error(err)
		}
	}
	read, err := cehttp.NewEventsFromHTTPRequest(&http.Request{Header: r.header, Body: io.NopCloser(bytes.NewReader(r.body))})
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != len(batch) {
		t.Fatalf("%d events arrived of %d", len(read), len(batch))
	}
	for i, have := range read {
		if err := have.Validate(); err != nil {
			t.Errorf("event %d: %v", i, err)
		}
		e := batch[i].Event
		if have.ID() != e.ID || have.Source() != e.Source || have.Type() != e.Type || have.Subject() != e.Subject ||
			!have.Time().Equal(e.Time) || string(have.Data()) != string(e.Data) {
			t.Errorf("event %d is %s", i, have)
		}
		x := have.Extensions()
		if text(x["attempt"]) != text(i+1) || text(x["routename"]) != e.Route || text(x["partitionkey"]) != e.Key ||
			text(x["orgid"]) != e.OrgID || text(x["traceparent"]) != e.TraceParent || (x["refilled"] == true) != e.Refilled {
			t.Errorf("event %d has the extensions %v", i, x)
		}
	}
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func TestBatch_EachItemOfTheAnswerIsItsEvents(t *testing.T) {
	t.Parallel()
	body := `[
		{"id":"a","status":200}, {"id":"b","status":204,"note":"ignored"}, {"id":"c","status":422,"retry_after":9},
		{"id":"d","status":500,"retry_after":30}, {"id":"e","status":503}, {"id":"f","status":429,"retry_after":60},
		{"id":"g","status":404}, {"id":"h","status":302}, {"id":"stranger","status":200}
	]`
	server, _ := app(t, answers(207, "application/json; charset=utf-8", body))
	d := build(t, httpout.Config{URL: server.URL, RetryStatuses: []int{404}})
	outcomes := d.DeliverBatch(t.Context(), batchOf("a", "b", "c", "d", "e", "f", "g", "h", "unnamed", "a"))
	want := []string{
		"delivered 200 yes 0s", "delivered 204 yes 0s", "reject 422 no 0s", "retry 500 unknown 30s", "retry 503 unknown 0s", "retry 429 no 1m0s",
		"retry 404 unknown 0s", "reject 302 no 0s", "retry 207 unknown 0s", "delivered 200 yes 0s",
	}
	if diff := cmp.Diff(want, told(outcomes)); diff != "" {
		t.Error(diff)
	}
	for i, o := range outcomes {
		if (o.Reason == "") != (o.Verdict == event.Delivered) || (o.Hint == "") != (o.Verdict == event.Delivered) {
			t.Errorf("event %d: reason %q, hint %q", i, o.Reason, o.Hint)
		}
	}
}

func TestBatch_AWholeAnswerIsForAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status            int
		contentType, body string
		want, alone       string
	}{
		"no body":            {204, "application/json", "", "delivered 204 yes 0s", ""},
		"blank JSON":         {200, "application/json", " \n", "delivered 200 yes 0s", ""},
		"text":               {200, "text/plain", "OK", "delivered 200 yes 0s", ""},
		"no type":            {200, "", "[]", "delivered 200 yes 0s", ""},
		"other JSON":         {200, "application/json", `{"ok":true}`, "retry 200 unknown 0s", ""},
		"names nobody":       {200, "application/json", `[]`, "retry 200 unknown 0s", ""},
		"problem":            {200, "application/problem+json", `"OK"`, "retry 200 unknown 0s", ""},
		"null":               {200, "application/json", `null`, "retry 200 unknown 0s", ""},
		"null item":          {200, "application/json", `[null]`, "retry 200 unknown 0s", ""},
		"cut short":          {200, "application/json", `[{"id":"a","status":200},{"id":"b","sta`, "retry 200 unknown 0s", ""},
		"more after":         {200, "application/json", `[{"id":"a","status":200},{"id":"b","status":200}] []`, "retry 200 unknown 0s", ""},
		"contradiction":      {200, "application/json", `[{"id":"a","status":200},{"id":"a","status":500},{"id":"b","status":200}]`, "retry 200 unknown 0s", ""},
		"status as text":     {200, "application/json", `[{"id":"a","status":"200"},{"id":"b","status":200}]`, "retry 200 unknown 0s", ""},
		"no status":          {200, "application/json", `[{"id":"a"},{"id":"b"}]`, "retry 200 unknown 0s", ""},
		"senseless status":   {200, "application/json", `[{"id":"a","status":0},{"id":"b","status":200}]`, "retry 200 unknown 0s", ""},
		"negative wait":      {200, "application/json", `[{"id":"a","status":500,"retry_after":-1},{"id":"b","status":200}]`, "retry 200 unknown 0s", ""},
		"endless":            {200, "application/json", "[" + strings.Repeat(" ", 1<<20), "retry 200 unknown 0s", ""},
		"unavailable":        {503, "application/json", `[{"id":"a","status":200}]`, "unavailable 503 unknown 7s", ""},
		"too fast":           {429, "", "", "unavailable 429 no 7s", ""},
		"broken":             {500, "", "", "retry 500 unknown 7s", ""},
		"unauthorized":       {401, "", "", "reject 401 no 0s", ""},
		"moved":              {301, "", "", "reject 301 no 0s", ""},
		"refused as a whole": {422, "", "", "retry 422 no 0s", "reject 422 no 0s"},
		"too large":          {413, "", "", "retry 413 no 0s", "reject 413 no 0s"},
		"malformed":          {400, "", "", "retry 400 no 0s", "reject 400 no 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := app(t, answers(c.status, c.contentType, c.body))
			d := build(t, httpout.Config{URL: server.URL})
			outcomes := d.DeliverBatch(t.Context(), batchOf("a", "b"))
			if diff := cmp.Diff([]string{c.want, c.want}, told(outcomes)); diff != "" {
				t.Error(diff)
			}
			if o := outcomes[0]; (o.Reason == "" || o.Hint == "") && o.Verdict != event.Delivered {
				t.Errorf("reason %q, hint %q", o.Reason, o.Hint)
			}
			if c.alone == "" {
				c.alone = c.want
			}
			if diff := cmp.Diff([]string{c.alone}, told(d.DeliverBatch(t.Context(), batchOf("a")))); diff != "" && c.status >= 300 {
				t.Error("alone:", diff)
			}
		})
	}
}

func TestBatch_WhoCannotBeReachedFailsForAll(t *testing.T) {
	t.Parallel()
	l := listen(t)
	_ = l.Close()
	outcomes := build(t, httpout.Config{URL: "http://" + l.Addr().String()}).DeliverBatch(t.Context(), batchOf("a", "b"))
	if diff := cmp.Diff([]string{"unavailable 0 no 0s", "unavailable 0 no 0s"}, told(outcomes)); diff != "" {
		t.Error(diff)
	}
	release := make(chan struct{})
	server, _ := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "[")
		w.(http.Flusher).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	outcomes = build(t, httpout.Config{URL: server.URL}).DeliverBatch(ctx, batchOf("a", "b"))
	if diff := cmp.Diff([]string{"retry 0 unknown 0s", "retry 0 unknown 0s"}, told(outcomes)); diff != "" {
		t.Error("an answer that does not end:", diff)
	}
}

func TestBatch_HasAnIdOfItsOwnAtEachAttempt(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{URL: server.URL, Secrets: []secret.String{secret.New(whsec(1))}})
	id := func(batch []event.Attempted) string {
		d.DeliverBatch(t.Context(), batch)
		return (<-got).header.Get("Webhook-Id")
	}
	first, same, other := id(batchOf("a", "b")), id(batchOf("a", "b")), id(batchOf("a", "c"))
	next := batchOf("a", "b")
	next[0].Number++
	if again := id(next); first != same || first == other || first == again || first == "" {
		t.Errorf("ids %q, the same %q, others %q, the next attempt %q", first, same, other, again)
	}
}

func TestKeepAnswer_ReturnsWhatTheApplicationSaidWithinItsBound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep, status int
		body, want   string
	}{
		"kept":          {10, 200, "1234567890", "1234567890"},
		"too large":     {9, 200, "1234567890", ""},
		"empty":         {9, 204, "", ""},
		"not delivered": {99, 422, "1234567890", ""},
		"not asked for": {0, 200, "1234567890", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := app(t, answers(c.status, "text/x-words", c.body))
			o := build(t, httpout.Config{URL: server.URL, KeepAnswer: c.keep}).Deliver(t.Context(), sample(), 1)
			if o.Status != c.status || (o.Verdict == event.Delivered) != (c.status < 300) {
				t.Errorf("outcome %+v", o)
			}
			switch {
			case name == "too large":
				if o.Answer == nil || !o.Answer.Truncated || len(o.Answer.Body) > c.keep {
					t.Errorf("answer %+v, want one that says it was larger", o.Answer)
				}
			case c.want == "" && o.Answer != nil:
				t.Errorf("kept %q", o.Answer.Body)
			case c.want != "" && (o.Answer == nil || string(o.Answer.Body) != c.want || o.Answer.Truncated || o.Answer.ContentType != "text/x-words"):
				t.Errorf("answer %+v", o.Answer)
			}
		})
	}
}

func TestKeepAnswer_AnAnswerThatBreaksOffIsNotOne(t *testing.T) {
	t.Parallel()
	server, _ := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	})
	o := build(t, httpout.Config{URL: server.URL, KeepAnswer: 1000}).Deliver(t.Context(), sample(), 1)
	if o.Verdict != event.Retry || o.Happened != event.HappenedUnknown || o.Answer != nil {
		t.Errorf("outcome %+v", o)
	}
}

// FuzzBatch_AnyAnswerIsReadOrRefused holds the reader of answers against a
// looser one: what it makes of an answer must be in it, and its complaints must not
// quote the answer.
func FuzzBatch_AnyAnswerIsReadOrRefused(f *testing.F) {
	for _, s := range []string{
		`[]`, `[{"id":"a","status":200}]`, `[{"id":"a","status":503,"retry_after":3},{"id":"b","status":299}]`, `{}`, `null`, `[null]`,
		`[{"id":"a","status":1e2}]`, `[{"id":1}]`, `[[]]`, `[{"ID":"a","STATUS":404}]`, `[{"id":"a","status":200}`, "[{\"id\":\"\xff\",\"status\":200}]",
		`[{"id":"a","status":200,"id":"b"}]`, `[{"id":"a","status":500,"retry_after":18446744073709551615}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		named, err := httpout.ParseItems(body)
		if err != nil {
			if len(body) > 40 && bytes.Contains(body, []byte(err.Error())) {
				t.Errorf("the complaint %q quotes the answer", err)
			}
			return
		}
		var loose []map[string]any
		if err := json.Unmarshal(body, &loose); err != nil {
			t.Fatalf("read what is not an array of objects: %v", err)
		}
		if len(named) > len(loose) {
			t.Errorf("%d items of %d", len(named), len(loose))
		}
		for id, item := range named {
			if id == "" || id != item.ID || item.Status < 200 || item.Status > 599 {
				t.Errorf("item %+v", item)
			}
		}
	})
}

// FuzzBatch_AnyEventIsOneOfItsBatch makes sure that nothing in an event can
// spoil the batch around it.
func FuzzBatch_AnyEventIsOneOfItsBatch(f *testing.F) {
	for _, s := range []string{"", `{"a":1}`, `{"a`, `"},{"id":"x"`, "\x00", "\xff", "\xff\xfe", "\"\xff\"", "\u2028", `1 2`} {
		f.Add(s, []byte(s))
	}
	f.Fuzz(func(t *testing.T, s string, data []byte) {
		batch := batchOf("first", s, "last")
		e := &batch[1].Event
		e.Source, e.Subject, e.Key, e.Data = s, s, s, data
		var read []struct {
			ID   string          `json:"id"`
			Key  string          `json:"partitionkey"`
			Data json.RawMessage `json:"data"`
			Raw  []byte          `json:"data_base64"`
		}
		body := httpout.AppendBatch(nil, batch)
		if err := json.Unmarshal(body, &read); err != nil || len(read) != 3 {
			t.Fatalf("%d events: %v\n%s", len(read), err, body)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); read[0].ID != "first" || read[1].ID != want || read[1].Key != want || read[2].ID != "last" {
			t.Errorf("ids %q, %q, %q", read[0].ID, read[1].ID, read[2].ID)
		}
		if len(data) > 0 && !bytes.Equal(read[1].Raw, data) && !bytes.Equal(bytes.TrimSpace(read[1].Data), bytes.TrimSpace(data)) {
			t.Errorf("data %q became %q", data, read[1].Data)
		}
	})
}
