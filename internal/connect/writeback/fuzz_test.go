package writeback_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connect/writeback"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// parrot is an org that refuses every row, with the whole request as its message.
type parrot struct{ t *testing.T }

func (p parrot) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: secret.New("x"), InstanceURL: "https://acme"}, nil
}
func (p parrot) Invalidate(auth.Token) {}

func (p parrot) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent struct {
		Records []json.RawMessage `json:"records"`
		Parts   []json.RawMessage `json:"batchRequests"`
	}
	var text []byte
	if r.Body != nil {
		text, _ = io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &sent); err != nil {
			p.t.Errorf("sent %q, which is no JSON: %v", text, err)
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || r.URL.Host != "acme" || !strings.HasPrefix(r.URL.Path, "/services/data/v67.0/composite/") {
		p.t.Errorf("asked for %s", r.URL)
	}
	refusal := []map[string]any{{"statusCode": "STRING_TOO_LONG", "message": string(text) + query.Get("ids"), "fields": []string{}}}
	var body []byte
	if len(sent.Parts) > 0 {
		body, _ = json.Marshal(map[string]any{"results": []any{map[string]any{"statusCode": 400, "result": refusal}}})
	} else {
		body, _ = json.Marshal([]any{map[string]any{"success": false, "errors": refusal}})
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, nil
}

// Whatever an event holds: one outcome, what goes out is JSON at a path of the API, and
// a reason has names at most, though the org repeats every byte.
func FuzzDestination(f *testing.F) {
	for _, data := range []string{
		`{"External_Id__c":"x","Name":"y"}`, `{"Id":"001000000000001AAA"}`, `{"id":"001000000000001"}`, `{"External_Id__c":1.50}`, `{"External_Id__c":{}}`,
		`{"object":"Account","operation":"upsert","external_id":"Ext__c","record":{"Ext__c":"../..?a=b#c","N":null}}`,
		`{"object":"Account","operation":"delete","record":{"Id":"001000000000001AAA"}}`, `{"publish":"X__e","record":{}}`,
		`{"object":"Account","operation":"delete","external_id":"Ext__c","record":{"Ext__c":"/"}}`,
		`{"attributes":{"type":"User"},"External_Id__c":"x"}`, `[]`, `null`, `"x"`, `{"a":1}{"b":2}`, "{\"\xff\":1}", `{"External_Id__c":"\u0000"}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		client, err := rest.New(rest.Config{}, parrot{t}, &http.Client{Transport: parrot{t}})
		if err != nil {
			t.Fatal(err)
		}
		for _, cfg := range []writeback.Config{
			{Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c"},
			{Object: "Account", Operation: writeback.Update},
			{Object: "Account", Operation: writeback.Create, IdempotencyField: "Ext__c"},
			{Object: "Account", Operation: writeback.Delete},
			{Object: "Account", Operation: writeback.Update, ExternalID: "Ext__c"},
			{Publish: "X__e", Via: writeback.REST},
			{Allow: []string{"Account.*", "X__e.publish"}, Via: writeback.REST},
		} {
			d, err := writeback.New(cfg, writeback.Wires{REST: client})
			if err != nil {
				t.Fatal(err)
			}
			o := d.Deliver(t.Context(), event.Event{ID: "e", Data: data}, 1)
			if o.Verdict != event.Reject || o.Happened != event.HappenedNo || o.Reason == "" || o.Hint == "" {
				t.Errorf("%+v: %+v", cfg, o)
			}
			for value := range values(data) {
				if len(value) > 12 && strings.Contains(o.Reason+o.Hint, value) {
					t.Errorf("%+v: reason %q quotes a value", cfg, o.Reason)
				}
			}
		}
	})
}

// values are the texts in data, at any depth, that are not names.
func values(data []byte) map[string]bool {
	all := map[string]bool{}
	var v any
	_ = json.Unmarshal(data, &v)
	collectTexts(v, all)
	return all
}

func collectTexts(v any, into map[string]bool) {
	switch v := v.(type) {
	case string:
		into[v] = true
	case []any:
		for _, x := range v {
			collectTexts(x, into)
		}
	case map[string]any:
		for name, x := range v {
			if name != "object" && name != "operation" && name != "publish" && name != "external_id" {
				collectTexts(x, into)
			}
		}
	}
}
