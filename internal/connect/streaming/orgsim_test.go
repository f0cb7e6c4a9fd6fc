package streaming_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/connect/streaming"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const (
	orderTopic   = "/event/Order_Event__e"
	accountTopic = "/data/AccountChangeEvent"
)

// world is a simulated org with both transports to it.
type world struct {
	t      *testing.T
	org    *orgsim.Org
	tokens *auth.Source
	rest   *rest.Client
	bus    *pubsub.Client
	long   *cometd.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	org, err := orgsim.Start(t.Context(), orgsim.Config{})
	check(t, err)
	t.Cleanup(func() { check(t, org.Close()) })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w := &world{t: t, org: org}
	w.tokens, err = auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, client)
	check(t, err)
	w.rest, err = rest.New(rest.Config{RetryWait: time.Millisecond}, w.tokens, client)
	check(t, err)
	w.bus, err = pubsub.New(pubsub.Config{Address: org.PubSubAddr(), Plaintext: true}, w.tokens)
	check(t, err)
	t.Cleanup(func() { _ = w.bus.Close() })
	w.long, err = cometd.New(cometd.Config{RetryWait: time.Millisecond}, w.tokens, nil)
	check(t, err)
	t.Cleanup(func() { _ = w.long.Close() })
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source is a topic over one of the transports.
func (w *world) source(transport, topic, key string) event.Source {
	w.t.Helper()
	parsed, err := salesforce.ParseTopic(topic)
	check(w.t, err)
	var s event.Source
	if transport == "pubsub" {
		s, err = eventbus.NewSource(eventbus.Config{Topic: parsed, KeyField: key}, w.bus)
	} else {
		s, err = streaming.NewSource(streaming.Config{Topic: parsed, KeyField: key}, w.long)
	}
	check(w.t, err)
	return s
}

func (w *world) publish(from, n int) {
	w.t.Helper()
	for i := from; i < from+n; i++ {
		_, err := w.org.Publish("Order_Event__e", map[string]any{"Order_Number__c": fmt.Sprintf("O-%d", i), "Amount__c": float64(i) / 4})
		check(w.t, err)
	}
}

func (w *world) fault(f fault.Fault) {
	w.t.Helper()
	_, err := w.org.Faults().Set(f)
	check(w.t, err)
}

// reader reads a source as the engine does: from the last position told, again
// after every error that may pass.
type reader struct {
	t        *testing.T
	source   event.Source
	start    event.Start
	position event.Position
	stream   event.Stream
	events   []event.Event
	seen     map[string]bool
	twice    int
	errs     []error
}

func (w *world) reader(s event.Source, start event.Start) *reader {
	r := &reader{t: w.t, source: s, start: start, position: start.After, seen: map[string]bool{}}
	w.t.Cleanup(r.close)
	return r
}

func (r *reader) close() {
	if r.stream != nil {
		_ = r.stream.Close()
		r.stream = nil
	}
}

// until reads until n events are there; untilTold also until their position is.
func (r *reader) until(n int)     { r.t.Helper(); r.read(n, false) }
func (r *reader) untilTold(n int) { r.t.Helper(); r.read(n, true) }

func (r *reader) read(n int, position bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	told := false
	for len(r.events) < n || position && !told {
		batch, err := r.next(ctx)
		if ctx.Err() != nil {
			r.t.Fatalf("%d of %d events; errors on the way: %v", len(r.events), n, r.errs)
		}
		if err != nil {
			r.errs = append(r.errs, err)
			r.close()
			if errors.Is(err, event.ErrPositionRefused) || event.HealingOf(err) == event.Permanent {
				r.t.Fatalf("after %d events: %v", len(r.events), err)
			}
			continue
		}
		for _, e := range batch.Events {
			if told = false; r.seen[e.ID] {
				r.twice++
				continue
			}
			r.seen[e.ID] = true
			r.events = append(r.events, e)
		}
		if batch.Position != nil {
			r.position, told = batch.Position, true
		}
	}
}

func (r *reader) next(ctx context.Context) (event.Batch, error) {
	if r.stream == nil {
		start := r.start
		if r.position != nil {
			start = event.Start{After: r.position}
		}
		var err error
		if r.stream, err = r.source.Open(ctx, start); err != nil {
			r.stream = nil
			return event.Batch{}, err
		}
	}
	return r.stream.Next(ctx)
}

func ids(events []event.Event) []string {
	out := make([]string, len(events))
	for i := range events {
		out[i] = events[i].ID
	}
	return out
}

// An application cannot tell the transport: attributes and data are the same.
func TestOrg_BothTransportsGiveTheSameEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(0, 40)
	_, err := w.rest.PublishEvent(t.Context(), "Order_Event__e", map[string]any{"Order_Number__c": "\"ü\"<&>", "Placed_At__c": "2026-08-20T18:31:40.517Z", "Status__c": nil})
	check(t, err)
	saved, err := w.rest.Create(t.Context(), "Account", map[string]any{"Name": "Acme", "BillingCity": "Bonn", "BillingStreet": "1 Way", "Phone": "123", "NumberOfEmployees": 7, "AnnualRevenue": 12.5})
	check(t, err)
	check(t, w.rest.Update(t.Context(), "Account", saved.ID, map[string]any{"Phone": nil, "BillingCity": nil, "NumberOfEmployees": 8}))
	check(t, w.rest.Update(t.Context(), "Account", saved.ID, map[string]any{"BillingCity": "Ulm", "BillingStreet": nil, "AnnualRevenue": 3}))
	check(t, w.rest.Delete(t.Context(), "Account", saved.ID))
	// Like changes of one transaction are one event of the bus, and one for each record here.
	account, _ := w.org.Catalog().Object("Account")
	alike := []record.Row{{"Name": "Alike"}, {"Name": "Alike"}, {"Name": "Alike"}}
	made, err := w.org.Records().InsertMany(t.Context(), record.Actor{User: w.org.Sessions().Users()[0].ID}, account, alike)
	check(t, err)
	for topic, n := range map[string]int{orderTopic: 41, accountTopic: 7, "/data/ChangeEvents": 7} {
		for _, key := range []string{"", "Order_Number__c", "Phone"} {
			want, got := w.reader(w.source("pubsub", topic, key), event.Start{Earliest: true}), w.reader(w.source("cometd", topic, key), event.Start{Earliest: true})
			want.untilTold(n)
			got.untilTold(n)
			want.close()
			got.close()
			if string(want.position) != string(got.position) {
				t.Errorf("%s: position %x over cometd, %x over pubsub", topic, []byte(got.position), []byte(want.position))
			}
			if diff := cmp.Diff(comparable(t, want.events), comparable(t, got.events)); diff != "" {
				t.Errorf("%s by %q: (-pubsub +cometd)\n%s", topic, key, diff)
			}
			if topic != orderTopic {
				wantSplit(t, got.events[4:], made)
			}
		}
	}
}

// wantSplit holds the events of one merged change against its records.
func wantSplit(t *testing.T, events []event.Event, records []salesforce.ID) {
	t.Helper()
	merged, _, _ := strings.Cut(events[0].ID, "/")
	for i, e := range events {
		var d struct {
			Header struct {
				IDs []string `json:"recordIds"`
			} `json:"header"`
		}
		check(t, json.Unmarshal(e.Data, &d))
		id := string(records[i])
		if e.ID != merged+"/"+id || e.Subject != id || len(d.Header.IDs) != 1 || d.Header.IDs[0] != id {
			t.Errorf("event %d: id %s, subject %s, records %v; want record %s", i, e.ID, e.Subject, d.Header.IDs, id)
		}
	}
}

// comparable takes the order of keys out of the data, and of the names in lists:
// neither means anything.
func comparable(t *testing.T, events []event.Event) []event.Event {
	t.Helper()
	out := make([]event.Event, len(events))
	for i, e := range events {
		var v map[string]any
		if err := json.Unmarshal(e.Data, &v); err != nil {
			t.Fatal(err)
		}
		if header, ok := v["header"].(map[string]any); ok {
			for _, list := range []string{"changed", "nulled", "diff"} {
				names, _ := header[list].([]any)
				slices.SortFunc(names, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
		}
		var err error
		if e.Data, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		out[i] = e
	}
	return out
}

// A route may move between the transports in the middle of a topic and back.
func TestOrg_PositionsHoldAcrossTransports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []event.Event
	var position event.Position
	for i, transport := range []string{"pubsub", "cometd", "pubsub", "cometd"} {
		w.publish(len(all), 25)
		r := w.reader(w.source(transport, orderTopic, ""), event.Start{Earliest: i == 0, After: position})
		r.untilTold(25)
		r.close()
		all, position = append(all, r.events...), r.position
	}
	if diff := cmp.Diff(w.org.Published(orderTopic), ids(all)); diff != "" {
		t.Error(diff)
	}
}

// Trouble of every kind, in turn: everything arrives, and once.
func TestOrg_LosesNothingInTrouble(t *testing.T) {
	t.Parallel()
	for name, strike := range map[string]func(w *world){
		"token revoked":    func(w *world) { w.org.RevokeTokens() },
		"client forgotten": func(w *world) { w.org.ResetStreams() },
		"unknown client":   func(w *world) { w.fault(fault.Fault{Name: fault.UnknownClient, Count: 1}) },
		"too busy":         func(w *world) { w.fault(fault.Fault{Name: fault.ServerTooBusy, Count: 2}); w.org.ResetStreams() },
		"busy as 401":      func(w *world) { w.fault(fault.Fault{Name: fault.ServerTooBusyAs401, Count: 1}) },
		"handshake denied": func(w *world) { w.fault(fault.Fault{Name: fault.HandshakeDenied, Count: 1}); w.org.ResetStreams() },
		"edge is down": func(w *world) {
			w.fault(fault.Fault{Name: fault.Unavailable, Count: 2, Match: fault.Match{Endpoint: "/cometd/*"}})
			w.org.ResetStreams()
		},
		"reset in an answer": func(w *world) {
			w.fault(fault.Fault{Name: fault.ResetMidStream, Count: 1, Match: fault.Match{Endpoint: "/cometd/*"}})
		},
		"duplicates": func(w *world) { w.fault(fault.Fault{Name: fault.DuplicateDelivery, Count: 5}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			order := w.reader(w.source("cometd", orderTopic, ""), event.Start{Earliest: true})
			account := w.reader(w.source("cometd", accountTopic, ""), event.Start{Earliest: true})
			w.publish(0, 50)
			order.until(50)
			for round := range 3 {
				strike(w)
				w.publish(len(order.events), 30)
				_, err := w.rest.Create(t.Context(), "Account", map[string]any{"Name": "A"})
				check(t, err)
				order.until(80 + 30*round)
				account.until(1 + round)
			}
			if diff := cmp.Diff(w.org.Published(orderTopic), ids(order.events)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(w.org.Published(accountTopic), ids(account.events)); diff != "" {
				t.Error(diff)
			}
			for _, f := range w.org.Faults().List() {
				if f.Struck == 0 {
					t.Errorf("fault %s has not struck", f.Fault.Name)
				}
			}
			if len(order.errs) > 6 {
				t.Errorf("the trouble showed %d times: %v", len(order.errs), order.errs)
			}
		})
	}
}

func TestOrg_AgedPositionIsRefusedAndTheEarliestIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(0, 1)
	r := w.reader(w.source("cometd", orderTopic, ""), event.Start{Earliest: true})
	r.untilTold(1)
	r.close()
	w.org.Clock().Advance(80 * time.Hour)
	w.publish(1, 1)
	if _, err := w.source("cometd", orderTopic, "").Open(t.Context(), event.Start{After: r.position}); !errors.Is(err, event.ErrPositionRefused) {
		t.Errorf("aged position: %v", err)
	}
	again := w.reader(w.source("cometd", orderTopic, ""), event.Start{Earliest: true})
	again.until(1)
	if diff := cmp.Diff(w.org.Published(orderTopic)[1:], ids(again.events)); diff != "" {
		t.Error(diff)
	}
}

// A stream at the tip that no event gave a position misses nothing while it is
// closed, as long as its source lives.
func TestOrg_TheTipIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(0, 3)
	s := w.source("cometd", orderTopic, "")
	stream, err := s.Open(t.Context(), event.Start{})
	check(t, err)
	check(t, stream.Close())
	w.org.Clock().Advance(2 * time.Second) // the server's clock has seconds
	w.publish(3, 2)
	r := w.reader(s, event.Start{})
	r.until(2)
	if last := r.events[len(r.events)-1].ID; last != w.org.Published(orderTopic)[4] {
		t.Errorf("the last event is %s", last)
	}
}

func TestOrg_UnknownTopicIsForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.source("cometd", "/event/Nope__e", "").Open(t.Context(), event.Start{}); event.HealingOf(err) != event.Permanent || event.HintOf(err) == "" {
		t.Errorf("Open() = %v (%s)", err, event.HealingOf(err))
	}
}
