package intake_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/sallyport-dev/sallyport/internal/intake"
)

// The client is the CloudEvents project's own.
func TestEvents_TakesWhatTheCloudEventsSDKSends(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, nil)
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(r.url + "/events/own"))
	r.check(err)
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	e := cloudevents.NewEvent()
	e.SetSource("/app/orders")
	e.SetType("com.app.order.paid")
	e.SetSubject("Zoë \"1\"")
	e.SetTime(at)
	e.SetExtension("partitionkey", "o-1")
	r.check(e.SetData(cloudevents.ApplicationJSON, map[string]any{"n": 1}))
	for id, ctx := range map[string]func() error{
		"binary":     func() error { return client.Send(cloudevents.WithEncodingBinary(t.Context()), e) },
		"structured": func() error { return client.Send(cloudevents.WithEncodingStructured(t.Context()), e) },
	} {
		e.SetID(id)
		if result := ctx(); !cloudevents.IsACK(result) {
			t.Errorf("%s: %v", id, result)
		}
	}
	kept := r.room.Kept()
	if len(kept) != 2 {
		t.Fatalf("kept %+v", kept)
	}
	for _, got := range kept {
		if got.ID != "binary" && got.ID != "structured" || got.Source != "/app/orders" || got.Type != "com.app.order.paid" || got.Subject != "Zoë \"1\"" ||
			!got.Time.Equal(at) || got.Key != "o-1" || got.Route != "own" || string(got.Data) != `{"n":1}` {
			t.Errorf("event %+v", got)
		}
	}
	batch, err := json.Marshal([]cloudevents.Event{e, e})
	r.check(err)
	a := r.do("POST", "/events/own", string(batch), "Content-Type", "application/cloudevents-batch+json; charset=utf-8")
	if a.status != 202 || !strings.Contains(a.body, `"duplicates":2`) {
		t.Errorf("batch: %+v", a)
	}
}

func TestEvents_SaysWhichFieldIsWrong(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, nil)
	const structured = "application/cloudevents+json"
	for name, c := range map[string]struct {
		media, body string
		field       string
		headers     []string
	}{
		"no event":             {"application/json", `{}`, "specversion", nil},
		"binary without id":    {"application/json", `{}`, "id", []string{"Ce-Specversion", "1.0", "Ce-Source", "a", "Ce-Type", "b"}},
		"binary, not JSON":     {"application/json", `{`, "data", []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "a", "Ce-Type", "b"}},
		"binary, not UTF-8":    {"application/json", "\"\xff\"", "data", []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "a", "Ce-Type", "b"}},
		"binary, other type":   {"text/plain", `1`, "datacontenttype", []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "a", "Ce-Type", "b"}},
		"binary, bad encoding": {"application/json", `1`, "subject", []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "a", "Ce-Type", "b", "Ce-Subject", "%zz"}},
		"not an object":        {structured, `[]`, "", nil},
		"old version":          {structured, `{"specversion":"0.3","id":"1","source":"a","type":"b"}`, "specversion", nil},
		"no type":              {structured, `{"specversion":"1.0","id":"1","source":"a"}`, "type", nil},
		"number as id":         {structured, `{"specversion":"1.0","id":1,"source":"a","type":"b"}`, "id", nil},
		"bad time":             {structured, `{"specversion":"1.0","id":"1","source":"a","type":"b","time":"noon"}`, "time", nil},
		"bad base64":           {structured, `{"specversion":"1.0","id":"1","source":"a","type":"b","data_base64":"%"}`, "data_base64", nil},
		"both kinds of data":   {structured, `{"specversion":"1.0","id":"1","source":"a","type":"b","data":1,"data_base64":"MQ=="}`, "data_base64", nil},
		"XML":                  {structured, `{"specversion":"1.0","id":"1","source":"a","type":"b","datacontenttype":"application/xml","data":"<a/>"}`, "datacontenttype", nil},
		"long id":              {structured, `{"specversion":"1.0","id":"` + strings.Repeat("a", 256) + `","source":"a","type":"b"}`, "id", nil},
		"line break":           {structured, `{"specversion":"1.0","id":"a\n","source":"a","type":"b"}`, "id", nil},
	} {
		a := r.do("POST", "/events/own", c.body, append(c.headers, "Content-Type", c.media)...)
		a.refused(t, 400, "bad_event")
		if want := `"field":"` + c.field + `"`; c.field != "" && !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	a := r.do("POST", "/events/own", `[{"specversion":"1.0","id":"1","source":"a","type":"b","data_base64":"eyJhIjoxfQ=="},{"id":"2"}]`, "Content-Type", "application/cloudevents-batch+json")
	if a.status != 207 || !strings.Contains(a.body, `"accepted":1`) || !strings.Contains(a.body, `"field":"specversion"`) {
		t.Errorf("batch: %+v", a)
	}
	if kept := r.room.Kept(); len(kept) != 1 || string(kept[0].Data) != `{"a":1}` {
		t.Errorf("kept %+v", kept)
	}
	if a := r.do("GET", "/events/own/1", ""); a.status != 200 {
		t.Errorf("status: %+v", a)
	}
}

func FuzzDecodeStructured(f *testing.F) {
	for _, s := range []string{
		`{"specversion":"1.0","id":"1","source":"a","type":"b","time":"2026-01-02T03:04:05Z","data":{"x":1}}`,
		`{"specversion":"1.0","id":"1","source":"a","type":"b","data_base64":"MQ=="}`, `null`, `{"id":{}}`, `[`, "\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, p := intake.DecodeStructured(raw)
		if p == nil && (e.ID == "" || e.Source == "" || e.Type == "" || e.Time.IsZero() || !json.Valid(e.Data)) {
			t.Errorf("taken: %+v", e)
		}
	})
}
