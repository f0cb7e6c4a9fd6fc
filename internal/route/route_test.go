package route_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

const secretName = "Hildegard Pfeffer"

func build(t *testing.T, cfg route.Config) *route.Route {
	t.Helper()
	cfg.Name, cfg.Topics = "orders", []string{"/event/Order__e"}
	r, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sink is a destination that remembers what reached it.
type sink struct{ got []event.Event }

func (s *sink) Deliver(_ context.Context, e event.Event, _ int) event.Outcome {
	s.got = append(s.got, e)
	return event.Outcome{Verdict: event.Delivered}
}

func deliver(t *testing.T, r *route.Route, e event.Event) (event.Outcome, *sink) {
	t.Helper()
	s := &sink{}
	return r.To(s).Deliver(t.Context(), e, 1), s
}

func order(data string) event.Event {
	return event.Event{
		ID: "1", Type: "com.salesforce.event.Order__e", Key: "001000000000001AAA", Subject: "001000000000002AAA",
		Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Data: []byte(data),
	}
}

func TestRoute_FilterDecidesAcceptance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filter, data string
		want         bool
	}{
		"no filter":             {"", `{"Status__c":"Open"}`, true},
		"true":                  {`.Status__c == "Open"`, `{"Status__c":"Open"}`, true},
		"false":                 {`.Status__c == "Open"`, `{"Status__c":"Shut"}`, false},
		"null":                  {`.Missing`, `{}`, false},
		"a value is true":       {`.Amount__c`, `{"Amount__c":0}`, true},
		"select without result": {`select(.Status__c == "Open")`, `{"Status__c":"Shut"}`, false},
		"select with a result":  {`select(.Status__c == "Open")`, `{"Status__c":"Open"}`, true},
		"attributes":            {`$event.type | endswith("Order__e")`, `{}`, true},
		"time":                  {`$event.time > "2027"`, `{}`, false},
		"fails":                 {`.Status__c + 1 > 2`, `{"Status__c":"Open"}`, true},
		"not JSON":              {`.Status__c`, `{"Status__c`, true},
		"trailing":              {`.Status__c`, `{} {}`, true},
		"no data":               {`. == null`, ``, true},
		"halts":                 {`halt`, `{}`, false},
		"sees no environment":   {`$ENV | length > 0`, `{}`, false},
		"env function":          {`env | length > 0`, `{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, ok := build(t, route.Config{Filter: c.filter}).Accept(order(c.data))
			if ok != c.want {
				t.Fatalf("accepted %t, want %t", ok, c.want)
			}
			if ok && (kept.Route != "orders" || string(kept.Data) != c.data) {
				t.Errorf("kept %+v", kept)
			}
		})
	}
}

func TestRoute_WhatCannotBeJudgedEndsAsADeadLetterWithoutPayload(t *testing.T) {
	t.Parallel()
	data := `{"Name":"` + secretName + `","Deep":{"Name":["` + secretName + `"]},"Amount__c":4711.0815}`
	for name, c := range map[string]struct {
		cfg       route.Config
		data      string
		want      string
		transform bool
	}{
		"filter adds":       {cfg: route.Config{Filter: `.Name + 1`}, want: "filter: cannot add: string … and number"},
		"filter not JSON":   {cfg: route.Config{Filter: `.Name`}, data: `{"Name":"` + secretName, want: "filter: the data is not JSON"},
		"transform adds":    {cfg: route.Config{Transform: `.Name - .Amount__c`}, want: "transform: cannot subtract: string … and number"},
		"raised":            {cfg: route.Config{Transform: `error(.Name)`}, want: "transform: error: …"},
		"raised object":     {cfg: route.Config{Transform: `error(.Deep)`}, want: "transform: error: …"},
		"raised own words":  {cfg: route.Config{Transform: `error("no amount on " + .Name)`}, want: "transform: error: no amount on …"},
		"halted with error": {cfg: route.Config{Transform: `.Name | halt_error`}, want: "transform: halt error: …"},
		"iterates":          {cfg: route.Config{Transform: `.Name[]`}, want: "transform: cannot iterate over: string"},
		"number":            {cfg: route.Config{Transform: `.Name | tonumber`}, want: "transform: tonumber cannot be applied to"},
		"parses":            {cfg: route.Config{Transform: `.Name | fromjson`}, want: "transform: fromjson cannot be applied to"},
		"time":              {cfg: route.Config{Transform: `.Name | strptime("%Y")`}, want: "transform: strptime"},
		"indexes":           {cfg: route.Config{Transform: `.Deep.Name.Name`}, want: "transform: expected an object but got: array"},
		"keyed by value":    {cfg: route.Config{Transform: `{(.Amount__c): 1}`}, want: "transform: expected a string for object key"},
		"empty":             {cfg: route.Config{Transform: `empty`}, want: "transform: its result is empty"},
		"null":              {cfg: route.Config{Transform: `.Missing`}, want: "transform: its result is empty"},
		"two results":       {cfg: route.Config{Transform: `.Name, .Name`}, want: "transform: it has more than one result; collect them with [ ]"},
		"endless":           {cfg: route.Config{Transform: `def f: f; f`, Limit: 20 * time.Millisecond}, want: "transform: it ran longer than 20ms"},
		"grows endlessly":   {cfg: route.Config{Transform: `[repeat(.Name)]`, Limit: 20 * time.Millisecond}, want: "transform: it ran longer than 20ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := build(t, c.cfg)
			if c.data == "" {
				c.data = data
			}
			kept, ok := r.Accept(order(c.data))
			if !ok {
				t.Fatal("the event was dropped")
			}
			o, s := deliver(t, r, kept)
			if o.Verdict != event.Reject || len(s.got) > 0 || o.Hint == "" {
				t.Fatalf("outcome %+v, %d reached the destination", o, len(s.got))
			}
			if !strings.HasPrefix(o.Reason, c.want) {
				t.Errorf("reason %q, want %q", o.Reason, c.want)
			}
			for _, word := range []string{"Hildegard", "Pfeffer", "4711"} {
				if strings.Contains(o.Reason+o.Hint, word) {
					t.Errorf("reason %q shows the payload", o.Reason)
				}
			}
		})
	}
}

func TestRoute_UndecodableEventsAreAcceptedAndRejectedAtDelivery(t *testing.T) {
	t.Parallel()
	for _, cfg := range []route.Config{{}, {Filter: `.Status__c == "Open"`, Transform: `{a: 1}`}} {
		r := build(t, cfg)
		e := order(`{"schema_id":"x","payload_base64":"AAEC"}`)
		e.Type = event.TypeUndecodable
		kept, ok := r.Accept(e)
		if !ok || kept.Route != "orders" {
			t.Fatalf("accepted %t as %+v", ok, kept)
		}
		if o, s := deliver(t, r, kept); o.Verdict != event.Reject || o.Reason == "" || len(s.got) > 0 {
			t.Errorf("outcome %+v", o)
		}
	}
}

func TestRoute_ACorrectedProgramTakesTheEventWhenItIsRedriven(t *testing.T) {
	t.Parallel()
	kept, _ := build(t, route.Config{Filter: `.Amount__c / 0 > 1`, Transform: `.Name.First`}).Accept(order(`{"Name":"A","Amount__c":5}`))
	corrected := build(t, route.Config{Filter: `.Amount__c > 1`, Transform: `{name: .Name}`})
	o, s := deliver(t, corrected, kept)
	if o.Verdict != event.Delivered || string(s.got[0].Data) != `{"name":"A"}` {
		t.Errorf("outcome %+v, events %+v", o, s.got)
	}
	narrower := build(t, route.Config{Filter: `.Amount__c > 100`})
	if o, _ := deliver(t, narrower, kept); o.Verdict != event.Reject {
		t.Errorf("an event that the corrected filter refuses ended as %+v", o)
	}
}

func TestRoute_TransformKeepsNumbersAsTheyAre(t *testing.T) {
	t.Parallel()
	r := build(t, route.Config{Filter: `.Id__c != null`, Transform: `{id: .Id__c, amount: .Amount__c, when: $event.time, by: $event.key}`})
	o, s := deliver(t, r, order(`{"Id__c":123456789012345678901,"Amount__c":0.10}`))
	want := `{"amount":0.10,"by":"001000000000001AAA","id":123456789012345678901,"when":"2026-05-04T03:02:01Z"}`
	if o.Verdict != event.Delivered || string(s.got[0].Data) != want {
		t.Errorf("have %s\nwant %s", s.got[0].Data, want)
	}
}

func TestRoute_OrderBy(t *testing.T) {
	t.Parallel()
	change := event.Event{
		Type: "com.salesforce.change.Order.update", Subject: "801000000000001AAA",
		Data: []byte(`{"header":{"AccountId":"wrong"},"fields":{"Nested":{"AccountId":"wrong"},"AccountId":"001000000000009AAA","Qty":7,"None":null}}`),
	}
	for name, c := range map[string]struct {
		orderBy string
		event   event.Event
		want    string
	}{
		"record, key of the source": {"record", order(`{}`), "001000000000001AAA"},
		"default":                   {"", change, "801000000000001AAA"},
		"none":                      {"none", order(`{}`), ""},
		"field":                     {"Region__c", order(`{"x":{"Region__c":"no"},"Region__c":"S\u00fcd"}`), "Süd"},
		"number":                    {"Qty", change, "7"},
		"field of a change":         {"AccountId", change, "001000000000009AAA"},
		"null falls back":           {"None", change, "801000000000001AAA"},
		"absent falls back":         {"Other", change, "801000000000001AAA"},
		"broken data falls back":    {"Other", order(`{"Other`), "001000000000001AAA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := build(t, route.Config{OrderBy: c.orderBy})
			kept, _ := r.Accept(c.event)
			if kept.Key != c.want {
				t.Errorf("key %q, want %q", kept.Key, c.want)
			}
			if r.Ordered() == (c.orderBy == "none") {
				t.Errorf("ordered %t", r.Ordered())
			}
		})
	}
}

// Not parallel: counting allocations forbids it.
func TestRoute_WithoutProgramsCostsNoAllocation(t *testing.T) {
	r := build(t, route.Config{})
	e := order(`{"Status__c":"Open"}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Accept(e) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestConfig_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := route.New(route.Config{Name: "no spaces!", Filter: `.a |`, Transform: `nosuch(1)`, OrderBy: "a.b"})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"route name", "parse filter", "compile transform", "order by"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not mention %q:\n%v", want, err)
		}
	}
	for _, program := range []string{`input`, `inputs`, `import "a" as a; 1`, `input_filename`, `debug`, `$__prog_args`} {
		if _, err := route.New(route.Config{Name: "a", Topics: []string{"t"}, Filter: program}); err == nil {
			t.Errorf("a program with %s was taken", program)
		}
	}
}

func FuzzRoute_ReasonsShowNoPayload(f *testing.F) {
	for _, s := range []string{"Hildegard", "x\"y", "a b c", "}{", "((((", "\u2028Zoë\x00", "123456"} {
		f.Add(s)
	}
	programs := []string{
		`.a + 1`, `.a | tonumber`, `error(.a)`, `error`, `.a[]`, `.a | fromjson`, `.a | ltrimstr(1) | .[0]`, `{(.b): 1}`,
		`.a | test("(")`, `.[.a]`, `.a | @base64d | fromjson`, `.b[.a]`, `.a | strptime("%Y")`, `. - .a`, `.a | implode`,
	}
	f.Fuzz(func(t *testing.T, s string) {
		marker := "Zq" + s + "qZ"
		data, err := json.Marshal(map[string]any{"a": marker, "b": []string{marker}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range programs {
			r, err := route.New(route.Config{Name: "a", Topics: []string{"t"}, Transform: p, Limit: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			o := r.To(&sink{}).Deliver(t.Context(), event.Event{Data: data}, 1)
			if strings.Contains(o.Reason, "Zq") || strings.Contains(o.Reason, "qZ") || strings.Contains(o.Reason, marker) {
				t.Errorf("%s: reason %q shows the payload", p, o.Reason)
			}
		}
	})
}
