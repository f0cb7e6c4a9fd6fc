package route_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// answered is the event that the application answers to in these tests.
func answered() event.Event {
	e := order(`{"Status__c":"Open"}`)
	e.ID, e.Route, e.Source, e.OrgID, e.TraceParent = "8c1f", "orders", "salesforce/00D/event/Order__e", "00D", "00-x"
	return e
}

func says(contentType, body string) event.Outcome {
	return event.Outcome{Verdict: event.Delivered, Status: 200, Answer: &event.Answer{ContentType: contentType, Body: []byte(body)}}
}

const jsonType = "application/json; charset=utf-8"

func follow(t *testing.T, cfg route.Config, o event.Outcome) []event.Event {
	t.Helper()
	cfg.Name = "write"
	r, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r.Replies().Follow(answered(), o)
}

func TestReplies_EachEntryBecomesAnEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, body string
		want              []string
	}{
		"records and events": {jsonType, ` {"records":[{"Name":"a"}, {"Name":"b"}],"events":[{"X__c":1}]} `, []string{
			`8c1f/reply/1 com.salesforce.reply.orders.record {"Name":"a"}`, `8c1f/reply/2 com.salesforce.reply.orders.record {"Name":"b"}`,
			`8c1f/reply/3 com.salesforce.reply.orders.event {"X__c":1}`,
		}},
		"events alone, as text": {"text/plain", `{"events":[{"X__c":1}]}`, []string{`8c1f/reply/1 com.salesforce.reply.orders.event {"X__c":1}`}},
		"a CloudEvent": {
			"application/cloudevents+json", `{"specversion":"1.0","id":"7","source":"/app","type":"app.paid","data":{"Name":"a"}}`,
			[]string{`8c1f/reply/1 app.paid {"Name":"a"}`},
		},
		"CloudEvents": {
			"application/cloudevents-batch+json", `[{"specversion":"1.0","id":"7","source":"/app","type":"app.paid","data":{"Name":"a"}},{"specversion":"1.0","id":"8","source":"/app","type":"app.sent","data_base64":"eyJOYW1lIjoiYiJ9"}]`,
			[]string{`8c1f/reply/1 app.paid {"Name":"a"}`, `8c1f/reply/2 app.sent {"Name":"b"}`},
		},
		"nothing":           {"", "", nil},
		"an empty object":   {jsonType, "{}", nil},
		"empty lists":       {jsonType, `{"records":[],"events":[]}`, nil},
		"an empty array":    {jsonType, `[]`, nil},
		"no JSON, and said": {"text/html", "<p>Thank you</p>", nil},
		"OK":                {"text/plain; charset=utf-8", "OK", nil},
	} {
		var got []string
		for _, e := range follow(t, route.Config{}, says(c.contentType, c.body)) {
			got = append(got, fmt.Sprintf("%s %s %s", e.ID, e.Type, e.Data))
			if e.Route != "write" || e.OrgID != "00D" || e.TraceParent != "00-x" || e.Key != "001000000000001AAA" || e.Time.IsZero() {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := follow(t, route.Config{}, event.Outcome{Verdict: event.Delivered}); got != nil {
		t.Errorf("without an answer: %v", got)
	}
}

func TestReplies_TakeOrderTimeAndSubjectFromACloudEvent(t *testing.T) {
	t.Parallel()
	got := follow(t, route.Config{}, says(jsonType, `{"specversion":"1.0","id":"7","source":"/app","type":"app.paid","subject":"s","time":"2026-05-04T03:02:01Z","partitionkey":"k","data":{}}`))
	if e := got[0]; e.Key != "k" || e.Subject != "s" || e.Source != "/app" || !e.Time.Equal(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)) {
		t.Errorf("%+v", e)
	}
}

// The route that replies go to filters them and orders them as it does others.
func TestReplies_MeetTheRoutesFilterAndOrder(t *testing.T) {
	t.Parallel()
	got := follow(t, route.Config{Filter: `.record.Keep__c or .Keep__c`, OrderBy: "Ext__c"}, says(jsonType,
		`{"records":[{"Ext__c":"x","Keep__c":true},{"Ext__c":"y","Keep__c":false},{"object":"Account","record":{"Ext__c":"z","Keep__c":true}}]}`))
	if len(got) != 2 || got[0].Key != "x" || got[1].Key != "z" || got[1].ID != "8c1f/reply/3" {
		t.Errorf("%+v", got)
	}
}

// What cannot be read ends as a dead letter of the route, with a reason that quotes
// nothing, and with what the application said in its payload.
func TestReplies_WhatCannotBeReadBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, body, reason string
		good                      int
	}{
		"a word":             {jsonType, `"` + secretName + `"`, "neither a JSON object nor an array", 0},
		"broken off":         {jsonType, `{"records":[{"Name":"` + secretName, "not valid JSON", 0},
		"broken off as text": {"text/plain", `{"records":[{"Name":"` + secretName, "not valid JSON", 0},
		"two objects":        {jsonType, `{} {"` + secretName + `":1}`, "not valid JSON", 0},
		"another name":       {jsonType, `{"records":[{"Name":"a"}],"` + secretName + `":[]}`, "besides records and events", 0},
		"neither":            {jsonType, `{"status":"` + secretName + `"}`, "besides records and events", 0},
		"twice":              {jsonType, `{"records":[{"Name":"a"}],"records":[{"Name":"` + secretName + `"}]}`, "there twice", 0},
		"no list":            {jsonType, `{"records":"` + secretName + `","events":[{"a":1}]}`, "records is no list", 1},
		"a word in the list": {jsonType, `{"records":[{"Name":"a"},"` + secretName + `",{"Name":"b"}]}`, "entry of records is no JSON object", 2},
		"null in the list":   {jsonType, `{"events":[null]}`, "entry of events is no JSON object", 0},
		"other specversion":  {jsonType, `{"specversion":"0.3","id":"` + secretName + `","source":"/app","type":"x","data":{}}`, "specversion is not 1.0", 0},
		"no type":            {jsonType, `[{"specversion":"1.0","id":"` + secretName + `","source":"/app","data":{}}]`, "lacks id, source or type", 0},
		"no data":            {jsonType, `[{"specversion":"1.0","id":"1","source":"/app","type":"x","subject":"` + secretName + `"}]`, "no JSON as its data", 0},
		"bad base64":         {jsonType, `[{"specversion":"1.0","id":"1","source":"/app","type":"x","data_base64":"` + secretName + `"}]`, "no CloudEvent", 0},
		"an array of words":  {jsonType, `["` + secretName + `"]`, "no CloudEvent", 0},
		"not UTF-8":          {jsonType, "{\"\xff\xfe\":", "not valid JSON", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := route.Config{Filter: "false"} // a filter does not keep it out
			bad := 0
			for _, e := range follow(t, route.Config{}, says(c.contentType, c.body)) {
				r, err := route.New(route.Config{Name: "write", Transform: ".x"})
				if err != nil {
					t.Fatal(err)
				}
				s := &sink{}
				o := r.To(s).Deliver(t.Context(), e, 1)
				if !strings.HasSuffix(e.Type, "malformed-reply") {
					continue
				}
				bad++
				if o.Verdict != event.Reject || !strings.Contains(o.Reason, c.reason) || o.Hint == "" || strings.Contains(o.Reason+o.Hint, "Hildegard") || len(s.got) != 0 {
					t.Errorf("outcome %+v, want %q", o, c.reason)
				}
				var kept struct {
					Body string `json:"body"`
					Raw  []byte `json:"body_base64"`
				}
				if err := json.Unmarshal(e.Data, &kept); err != nil || kept.Body == "" && len(kept.Raw) == 0 {
					t.Errorf("payload %s: %v", e.Data, err)
				}
			}
			all := follow(t, route.Config{}, says(c.contentType, c.body))
			if bad != 1 || len(all) != c.good+1 {
				t.Errorf("%d unreadable of %d", bad, len(all))
			}
			if got := follow(t, cfg, says(c.contentType, c.body)); len(got) != 1 {
				t.Errorf("a filter that takes nothing lets %d through, want the unreadable one", len(got))
			}
		})
	}
}

func TestReplies_AnAnswerBeyondTheBoundIsADeadLetter(t *testing.T) {
	t.Parallel()
	o := says(jsonType, `{"records":[`)
	o.Answer.Truncated = true
	got := follow(t, route.Config{}, o)
	if len(got) != 1 || !strings.Contains(string(got[0].Data), "larger than") {
		t.Errorf("%+v", got)
	}
}

// Whatever an application says: no panic, one id for each event, JSON as the data, the
// same again for the same answer, and nothing of it in a reason.
func FuzzReplies(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `[]`, `OK`, `{"records":[{"a":1}],"events":[{}]}`, `{"records":[1,null,"x",{"a":{"b":[]}}]}`, `{"records":{},"records":[]}`,
		`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{}}`, `[{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"e30="}]`,
		`[[[[`, "{\"\xff\":1}", `{"events":[{"a":1}]`, `{"a":1}{"b":2}`, `{"time":"x","specversion":"1.0"}`,
	} {
		f.Add("application/json", []byte(body))
		f.Add("text/plain", []byte(body))
	}
	r, err := route.New(route.Config{Name: "write"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		o := says(contentType, string(body))
		got := r.Replies().Follow(answered(), o)
		ids := map[string]bool{}
		for _, e := range got {
			if ids[e.ID] || !strings.HasPrefix(e.ID, "8c1f/reply/") || e.Route != "write" || !json.Valid(e.Data) {
				t.Errorf("event %+v", e)
			}
			ids[e.ID] = true
			s := &sink{}
			if o := r.To(s).Deliver(t.Context(), e, 1); (o.Verdict == event.Reject) == (len(s.got) == 1) || o.Verdict == event.Reject && (o.Reason == "" || len(o.Reason) > 200) {
				t.Errorf("outcome %+v", o)
			}
		}
		again := r.Replies().Follow(answered(), o)
		if len(again) != len(got) {
			t.Errorf("%d events, then %d", len(got), len(again))
		}
		for i := range again {
			if again[i].ID != got[i].ID || string(again[i].Data) != string(got[i].Data) {
				t.Errorf("event %d differs at the second reading", i)
			}
		}
	})
}
