package callout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/callout/callouttest"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

func acceptor(t *testing.T, cfg callout.AcceptorConfig, programs route.Config) (*callout.Acceptor, *callouttest.Room) {
	t.Helper()
	programs.Name, cfg.Prefix = "orders", "/callouts/orders"
	r, err := route.New(programs)
	if err != nil {
		t.Fatal(err)
	}
	room := callouttest.NewRoom()
	a, err := callout.NewAcceptor(cfg, callout.AcceptorDeps{Route: r, Intake: room, Find: room.Find, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a, room
}

// body reads an answer of the gateway.
func body(t *testing.T, a callout.Answer) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(a.Body, &out); err != nil {
		t.Fatalf("answer %q: %v", a.Body, err)
	}
	return out
}

func TestAcceptor_AnswersWhenItIsDurable(t *testing.T) {
	t.Parallel()
	a, room := acceptor(t, callout.AcceptorConfig{}, route.Config{})
	req := post(`k "1"/ü`, `{"a":1}`)
	req.OrderKey = "001000000000001AAA"
	answer, p := a.Accept(t.Context(), req)
	if p != nil || answer.Status != 202 || answer.Replayed {
		t.Fatalf("%+v, %v", answer, p)
	}
	want := map[string]any{"id": `k "1"/ü`, "state": "waiting", "status_url": "/callouts/orders/k%20%221%22%2F%C3%BC"}
	if d := cmp.Diff(want, body(t, answer)); d != "" || answer.Header["Location"][0] != want["status_url"] {
		t.Errorf("answer %s %v", d, answer.Header)
	}
	if e := room.Kept()[0]; e.ID != req.Key || e.Route != "orders" || e.Key != req.OrderKey || e.Type != "com.salesforce.callout.orders" {
		t.Errorf("event %+v", e)
	}
	again, p := a.Accept(t.Context(), req)
	if p != nil || again.Status != 202 || !again.Replayed || len(room.Kept()) != 1 {
		t.Errorf("again: %+v, %v", again, p)
	}
	req.Body = []byte(`{"a":2}`)
	if _, p := a.Accept(t.Context(), req); p == nil || p.Status != 422 || p.Code != callout.CodeKeyReused {
		t.Errorf("other content: %v", p)
	}
	for range 2 { // without a key every request is new
		if answer, p := a.Accept(t.Context(), post("", `{}`)); p != nil || answer.Replayed {
			t.Errorf("%+v, %v", answer, p)
		}
	}
	if kept := room.Kept(); len(kept) != 3 || kept[1].ID == kept[2].ID || len(kept[1].ID) != 26 {
		t.Errorf("kept %+v", kept)
	}
}

func TestAcceptor_RefusesWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	a, room := acceptor(t, callout.AcceptorConfig{}, route.Config{Filter: ".a > 1"})
	for _, data := range []string{"", "{", "a=1", `{"a":1} {}`, "\"\xff\""} {
		if _, p := a.Accept(t.Context(), post("k", data)); p == nil || p.Status != 400 || p.Code != callout.CodeBadEvent || p.Field != "data" {
			t.Errorf("%q: %v", data, p)
		}
	}
	if answer, p := a.Accept(t.Context(), post("k", `{"a":1}`)); p != nil || answer.Status != 200 || body(t, answer)["state"] != "filtered" {
		t.Errorf("filtered: %+v, %v", answer, p)
	}
	if room.Calls() != 0 {
		t.Error("something was stored")
	}
	room.Fail(&event.Error{Op: "store", Healing: event.Throttled, Happened: event.HappenedNo, After: 9 * time.Second})
	if _, p := a.Accept(t.Context(), post("k", `{"a":2}`)); p == nil || p.Status != 503 || p.After != 9*time.Second || p.Happened != event.HappenedNo {
		t.Errorf("full: %+v", p)
	}
	room.Fail(errors.New("disk"))
	if _, p := a.Accept(t.Context(), post("k", `{"a":2}`)); p == nil || p.Status != 503 || p.Happened != event.HappenedUnknown || !p.Retry {
		t.Errorf("broken: %+v", p)
	}
	room.Fail(&event.Error{Op: "store", Healing: event.Permanent})
	if _, p := a.Accept(t.Context(), post("k", `{"a":2}`)); p == nil || p.Status != 500 || p.Retry {
		t.Errorf("for good: %+v", p)
	}
}

func TestAcceptor_WaitsThenAccepts(t *testing.T) {
	t.Parallel()
	taken := event.Outcome{Verdict: event.Delivered, Status: 201, Answer: &event.Answer{ContentType: "text/x", Body: []byte("made")}}
	for name, c := range map[string]struct {
		patience  time.Duration
		ends      time.Duration // when the application answers; 0: at once, negative: never
		outcome   event.Outcome
		elsewhere bool // in another process, which tells nobody
		status    int
		took      time.Duration
		code      string
	}{
		"in time":                    {ends: 3 * time.Second, outcome: taken, status: 201, took: 3 * time.Second},
		"before the receipt":         {ends: 0, outcome: taken, status: 201},
		"too late":                   {ends: time.Minute, outcome: taken, status: 202, took: 10 * time.Second},
		"caller goes first":          {ends: time.Minute, patience: 2 * time.Second, outcome: taken, status: 202, took: 1800 * time.Millisecond},
		"router goes first":          {ends: time.Minute, patience: time.Minute, outcome: taken, status: 202, took: 10 * time.Second},
		"without words":              {ends: time.Second, outcome: event.Outcome{Verdict: event.Delivered, Status: 204}, status: 200, took: time.Second},
		"too large to keep":          {ends: time.Second, outcome: event.Outcome{Verdict: event.Delivered, Status: 201, Answer: &event.Answer{Truncated: true}}, status: 200, took: time.Second},
		"refused by the application": {ends: time.Second, outcome: event.Outcome{Verdict: event.Reject, Status: 422, Reason: "answered 422"}, code: callout.CodeUndelivered, took: time.Second},
		"delivered elsewhere":        {ends: time.Second, outcome: taken, elsewhere: true, status: 200, took: 10 * time.Second},
		"never":                      {ends: -1, status: 202, took: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, room := acceptor(t, callout.AcceptorConfig{Wait: 10 * time.Second, RouterTimeout: 30 * time.Second}, route.Config{})
				end := func(e event.Event) func() {
					return func() {
						state := delivery.Delivered
						if c.outcome.Verdict != event.Delivered {
							state = delivery.DeadState
						}
						room.End(e, state, c.outcome)
						if !c.elsewhere {
							a.Settled(e, c.outcome)
						}
					}
				}
				room.Accepted = func(e event.Event) {
					switch {
					case c.ends == 0:
						a.Settled(e, c.outcome)
					case c.ends > 0:
						time.AfterFunc(c.ends, end(e))
					}
				}
				req := post("k", `{}`)
				req.Patience = c.patience
				answer, p := a.Accept(t.Context(), req)
				if took := time.Since(req.Received); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
				if c.code != "" {
					if p == nil || p.Code != c.code || p.Status != 502 {
						t.Errorf("problem %+v", p)
					}
					return
				}
				if p != nil || answer.Status != c.status {
					t.Fatalf("answer %d %s, %v; want %d", answer.Status, answer.Body, p, c.status)
				}
				if c.status == 201 && (string(answer.Body) != "made" || answer.Header["Content-Type"][0] != "text/x" || answer.Ours) {
					t.Errorf("answer %+v", answer)
				}
				time.Sleep(time.Hour) // late ends find nobody, and harm nobody
			})
		})
	}
}

func TestAcceptor_ARepetitionLearnsOfTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, room := acceptor(t, callout.AcceptorConfig{Wait: 10 * time.Second}, route.Config{})
		if answer, _ := a.Accept(t.Context(), post("k", `{}`)); answer.Status != 202 {
			t.Fatalf("answer %+v", answer)
		}
		e := room.Kept()[0]
		time.AfterFunc(time.Second, func() {
			room.End(e, delivery.Delivered, event.Outcome{})
			a.Settled(e, event.Outcome{Verdict: event.Delivered, Status: 200})
		})
		began := time.Now()
		if answer, _ := a.Accept(t.Context(), post("k", `{}`)); answer.Status != 200 || time.Since(began) != time.Second {
			t.Errorf("while it is under way: %+v after %s", answer, time.Since(began))
		}
		began = time.Now()
		if answer, _ := a.Accept(t.Context(), post("k", `{}`)); answer.Status != 200 || !answer.Replayed || time.Since(began) != 0 {
			t.Errorf("afterwards: %+v after %s", answer, time.Since(began))
		}
	})
}

func TestAcceptor_AStopEndsTheWaitNotTheEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _ := acceptor(t, callout.AcceptorConfig{Wait: 10 * time.Second}, route.Config{})
		time.AfterFunc(time.Second, func() { a.Drain(); a.Drain() })
		began := time.Now()
		if answer, p := a.Accept(t.Context(), post("k", `{}`)); p != nil || answer.Status != 202 || time.Since(began) != time.Second {
			t.Errorf("%+v, %v after %s", answer, p, time.Since(began))
		}
	})
}

func TestAcceptor_Status(t *testing.T) {
	t.Parallel()
	a, room := acceptor(t, callout.AcceptorConfig{}, route.Config{})
	_, _ = a.Accept(t.Context(), post("k", `{}`))
	answer, p := a.Status(t.Context(), "k")
	if p != nil || body(t, answer)["state"] != "waiting" || body(t, answer)["route"] != "orders" {
		t.Errorf("%s, %v", answer.Body, p)
	}
	room.End(room.Kept()[0], delivery.DeadState, event.Outcome{Reason: "answered 422", Status: 422, Hint: "correct it"})
	answer, _ = a.Status(t.Context(), "k")
	if failure, _ := body(t, answer)["last_failure"].(map[string]any); failure["reason"] != "answered 422" || failure["next_step"] != "correct it" {
		t.Errorf("%s", answer.Body)
	}
	if _, p := a.Status(t.Context(), "other"); p == nil || p.Status != 404 {
		t.Errorf("unknown: %v", p)
	}
	room.Fail(errors.New("disk"))
	if _, p := a.Status(t.Context(), "k"); p == nil || p.Status != 503 {
		t.Errorf("broken: %v", p)
	}
}

// item is what a batch's answer says of one event.
type item struct {
	Index     int
	ID, State string
	Error     *struct{ Code, Field string }
}

func items(t *testing.T, a callout.Answer) (out struct {
	Accepted, Duplicates, Filtered, Refused int
	Items                                   []item
},
) {
	t.Helper()
	if err := json.Unmarshal(a.Body, &out); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return out
}

func decode(t *testing.T, text, key string, lines bool) []callout.Item {
	t.Helper()
	all, p := callout.DecodeBatch(strings.NewReader(text), lines, func(id, orderKey string, data []byte) event.Event {
		return event.Event{ID: id, Key: orderKey, Data: data}
	})
	if p != nil {
		t.Fatal(p)
	}
	callout.NameItems(all, key)
	return all
}

func TestBatch_OneBadEventFailsNoOther(t *testing.T) {
	t.Parallel()
	a, room := acceptor(t, callout.AcceptorConfig{}, route.Config{Filter: ".n < 100"})
	_, _ = a.Accept(t.Context(), post("old", `{"n":1}`))
	_, _ = a.Accept(t.Context(), post("reused", `{"n":1}`))
	text := `[{"id":"a","key":"r1","data":{"n":1}},{"id":5,"data":1},{"dat":{}},{"id":"old","data":{"n":1}},{"id":"reused","data":{"n":2}},
		{"data":{"n":100}},"text",{"id":"c"},{"data":{"n":2}}]`
	answer, p := a.AcceptBatch(t.Context(), decode(t, text, "whole", false), time.Now())
	if p != nil || answer.Status != 207 {
		t.Fatalf("%d %s, %v", answer.Status, answer.Body, p)
	}
	got := items(t, answer)
	if got.Accepted != 2 || got.Duplicates != 1 || got.Filtered != 1 || got.Refused != 5 || len(got.Items) != 9 {
		t.Errorf("%s", answer.Body)
	}
	for i, want := range []string{
		"a accepted", " refused bad_event id", " refused bad_event dat", "old duplicate", "reused refused key_reused", "whole/5 filtered",
		" refused bad_event", "c refused bad_event data", "whole/8 accepted",
	} {
		have := got.Items[i].ID + " " + got.Items[i].State
		if e := got.Items[i].Error; e != nil {
			have = strings.TrimRight(have+" "+e.Code+" "+e.Field, " ")
		}
		if have != want || got.Items[i].Index != i {
			t.Errorf("item %d: %+v is %q, want %q", i, got.Items[i], have, want)
		}
	}
	kept := room.Kept()
	if len(kept) != 4 || kept[2].ID != "a" || kept[2].Key != "r1" || kept[3].ID != "whole/8" || room.Calls() != 3 {
		t.Errorf("kept %+v in %d calls", kept, room.Calls())
	}
	again, _ := a.AcceptBatch(t.Context(), decode(t, text, "whole", false), time.Now())
	if got := items(t, again); got.Accepted != 0 || got.Duplicates != 3 || len(room.Kept()) != 4 {
		t.Errorf("again: %s", again.Body)
	}
}

func TestBatch_AFailedStoreAcceptsNothing(t *testing.T) {
	t.Parallel()
	a, room := acceptor(t, callout.AcceptorConfig{}, route.Config{})
	room.Fail(errors.New("disk"))
	if _, p := a.AcceptBatch(t.Context(), decode(t, `[{"data":1},{}]`, "", false), time.Now()); p == nil || p.Code != callout.CodeStore {
		t.Errorf("%v", p)
	}
	room.Fail(nil)
	if answer, p := a.AcceptBatch(t.Context(), decode(t, `[{}]`, "", false), time.Now()); p != nil || answer.Status != 422 {
		t.Errorf("%+v, %v", answer, p)
	}
}

func TestDecodeBatch_RefusesWhatItCannotReadToTheEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		lines bool
		code  string
		says  string
	}{
		"empty":          {"", false, callout.CodeBadRequest, "not a JSON array"},
		"object":         {`{"data":1}`, false, callout.CodeBadRequest, "not a JSON array"},
		"no events":      {`[]`, false, callout.CodeBadRequest, "empty"},
		"no lines":       {"\n\n", true, callout.CodeBadRequest, "empty"},
		"breaks off":     {`[{"data":1},{"da`, false, callout.CodeBadRequest, "at event 1; nothing was accepted"},
		"broken":         {`[{"data":1},{"data":1},{x}]`, false, callout.CodeBadRequest, "at event 2"},
		"no end":         {`[{"data":1}`, false, callout.CodeBadRequest, "at event 1"},
		"more":           {`[{"data":1}] []`, false, callout.CodeBadRequest, "something follows"},
		"too many":       {"[" + strings.Repeat(`{"data":1},`, 2000) + `{"data":1}]`, false, callout.CodeTooMany, "more than 2000"},
		"too many lines": {strings.Repeat("{\"data\":1}\n", 2001), true, callout.CodeTooMany, "more than 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p := callout.DecodeBatch(strings.NewReader(c.text), c.lines, func(string, string, []byte) event.Event { return event.Event{} })
			if p == nil || p.Code != c.code || !strings.Contains(p.What, c.says) {
				t.Errorf("%v", p)
			}
		})
	}
	if all := decode(t, "["+strings.Repeat(`{"data":1},`, 1999)+`{"data":1}]`, "", false); len(all) != 2000 {
		t.Errorf("%d events", len(all))
	}
	lines := decode(t, "{\"data\":1}\n\n  {\"data\":2}\r\n{broken\n{\"data\":3} {}\n{\"data\":4}", "k", true)
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%s %s %t", l.Event.ID, l.Event.Data, l.Problem == nil))
	}
	want := []string{"k/0 1 true", "k/1 2 true", "  false", "  false", "k/4 4 true"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	for _, s := range []string{`[{"id":"a","key":"b","data":{"x":[1,2]}}]`, "{\"data\":1}\n{\"data\":2}", `[1,"a",null,{"data":null}]`, `[{"data":1}`, "[", "\x00"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, lines bool) {
		all, p := callout.DecodeBatch(strings.NewReader(text), lines, func(id, orderKey string, data []byte) event.Event {
			return event.Event{ID: id, Key: orderKey, Data: data}
		})
		if (p == nil) != (len(all) > 0) {
			t.Fatalf("%d events, %v", len(all), p)
		}
		callout.NameItems(all, "k")
		for i, item := range all {
			if item.Problem == nil && (!json.Valid(item.Event.Data) || item.Event.ID == "") {
				t.Fatalf("event %d taken without data or id: %+v", i, item.Event)
			}
		}
	})
}

func TestCheckPath_RefusesWhatAnApplicationMayTakeForUpwards(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/..", "/a/../b", "/%2e%2e/b", "/..;/b", "/..;x=1/b", "/%2e%2e%3b/b", "/.;/b", "/a%2fb", "/a%5cb", "/%00", "/%zz"} {
		if p := callout.CheckPath(path); p == nil || p.Status != 400 || p.Happened != event.HappenedNo {
			t.Errorf("%s: %+v", path, p)
		}
	}
	for _, path := range []string{"", "/", "/a;v=1/b", "/...", "/a..b", "/%C3%BC"} {
		if p := callout.CheckPath(path); p != nil {
			t.Errorf("%s: %v", path, p)
		}
	}
}

func TestDecodeBatch_RefusesAnEventThatIsNotUTF8Alone(t *testing.T) {
	t.Parallel()
	for text, lines := range map[string]bool{"[{\"data\":\"\xff\"},{\"data\":1}]": false, "{\"data\":\"\xff\"}\n{\"data\":1}\n": true} {
		items, p := callout.DecodeBatch(strings.NewReader(text), lines, func(string, string, []byte) event.Event { return event.Event{} })
		if p != nil || len(items) != 2 || items[0].Problem == nil || items[0].Problem.Code != callout.CodeBadEvent || items[1].Problem != nil {
			t.Errorf("%q: %+v, %v", text, items, p)
		}
	}
}

// A header that cannot be read is found before anything is sent, and the caller
// must be able to tell: it may repeat under another key.
func TestParse_RefusalsSayThatNothingHappened(t *testing.T) {
	t.Parallel()
	if _, p := callout.ParseKey("\xff"); p == nil || p.Happened != event.HappenedNo {
		t.Errorf("key: %+v", p)
	}
	if _, p := callout.ParseDeadline("-5"); p == nil || p.Happened != event.HappenedNo {
		t.Errorf("deadline: %+v", p)
	}
}

func FuzzParseHeaders(f *testing.F) {
	for _, s := range []string{"", `"8e03978e-40d5"`, "20000", "20s", "-1", "1h", "9999999999999", "\"\"", "ü", "a/../b", "%2e%2e", "x%2Fy"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if key, p := callout.ParseKey(s); p == nil && (len(key) > 255 || key != "" && strings.TrimSpace(s) == "") {
			t.Errorf("key %q of %q", key, s)
		}
		if d, p := callout.ParseDeadline(s); p == nil && d < 0 {
			t.Errorf("deadline %s of %q", d, s)
		}
		if p := callout.CheckPath(s); p == nil && (s == ".." || strings.HasPrefix(s, "../") || strings.Contains(s, "/../")) {
			t.Errorf("path %q passes", s)
		}
	})
}

func TestRelay_BatchesGoOneByOneInTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{Tries: 1}, inTurn(answer(200, "")))
		r.answered(post("b", `2`), 200, "")
		failing := relayOf(t, callout.RelayConfig{Tries: 1}, route.Config{Name: "quote"}, r.keys, failOn(`"bad"`))
		all := decode(t, `[{"id":"a","key":"r","data":1},{"id":"b","data":2},{"id":"c","key":"r","data":"bad"},{"id":"d","key":"r","data":3},{"id":5},{"data":4}]`, "", false)
		answer, p := failing.DoBatch(t.Context(), all, callout.Request{Received: time.Now()})
		if p != nil || answer.Status != 207 {
			t.Fatalf("%+v, %v", answer, p)
		}
		got := items(t, answer)
		var states []string
		for _, i := range got.Items {
			code := ""
			if i.Error != nil {
				code = i.Error.Code
			}
			states = append(states, strings.TrimSpace(i.State+" "+code))
		}
		want := []string{"delivered", "duplicate", "refused not_delivered", "refused behind_failed", "refused bad_event", "delivered"}
		if d := cmp.Diff(want, states); d != "" {
			t.Error(d)
		}
		if got.Accepted != 2 || got.Duplicates != 1 || got.Refused != 3 {
			t.Errorf("%s", answer.Body)
		}
	})
}

// takes is an application that takes events with an answer.
type takes struct{ outcome event.Outcome }

func (d takes) Deliver(context.Context, event.Event, int) event.Outcome { return d.outcome }

func TestAnswers_AreThereForWhoeverAsksLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := route.New(route.Config{Name: "orders"})
		if err != nil {
			t.Fatal(err)
		}
		room, keys, quiet := callouttest.NewRoom(), callouttest.NewKeys(), slog.New(slog.DiscardHandler)
		answers := callout.NewAnswers(keys, "orders", 24*time.Hour, quiet)
		a, err := callout.NewAcceptor(callout.AcceptorConfig{Prefix: "/callouts/orders", Wait: time.Second}, callout.AcceptorDeps{
			Route: r, Intake: room, Find: room.Find, Answers: answers, Log: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		deliver := func(id, contentType, text string) event.Outcome {
			o := event.Outcome{Verdict: event.Delivered, Status: 201, Answer: &event.Answer{ContentType: contentType, Body: []byte(text)}}
			e := event.Event{ID: id, Route: "orders"}
			got := answers.Keep(takes{o}).Deliver(t.Context(), e, 1)
			room.End(e, delivery.Delivered, event.Outcome{})
			return got
		}
		for _, id := range []string{"json", "text", "silent", "broken"} {
			if answer, p := a.Accept(t.Context(), post(id, `{}`)); p != nil || answer.Status != 202 {
				t.Fatalf("%+v, %v", answer, p)
			}
		}
		deliver("json", "application/json", `{"made":1}`)
		deliver("json", "application/json", `{"made":2}`) // a redelivery
		deliver("text", "text/x", "made")
		room.End(event.Event{ID: "silent", Route: "orders"}, delivery.Delivered, event.Outcome{})
		for id, want := range map[string]string{
			"json": `"answer":{"status":201,"content_type":"application/json","body":{"made":1}}`, "text": `"body_base64":"bWFkZQ=="`, "silent": `"state":"delivered"`,
		} {
			if answer, p := a.Status(t.Context(), id); p != nil || !strings.Contains(string(answer.Body), want) {
				t.Errorf("%s: %s, %v", id, answer.Body, p)
			}
		}
		if answer, p := a.Accept(t.Context(), post("json", `{}`)); p != nil || answer.Status != 201 || string(answer.Body) != `{"made":1}` || !answer.Replayed {
			t.Errorf("repeated: %+v, %v", answer, p)
		}
		keys.Fail(errors.New("disk"))
		if o := deliver("broken", "text/x", "made"); o.Verdict != event.Delivered {
			t.Errorf("an answer that cannot be kept stopped its event: %+v", o)
		}
		if _, p := a.Status(t.Context(), "json"); p == nil || p.Status != 503 {
			t.Errorf("broken: %v", p)
		}
	})
}
