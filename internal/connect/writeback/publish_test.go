package writeback_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/connect/writeback"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const orderTopic = "/event/Order_Event__e"

// changes reads n events of a topic as a subscriber does, from the earliest on.
func (w *world) changes(topic string, n int) []event.Event {
	w.t.Helper()
	parsed, err := salesforce.ParseTopic(topic)
	w.check(err)
	source, err := eventbus.NewSource(eventbus.Config{Topic: parsed}, w.wires.Bus)
	w.check(err)
	stream, err := source.Open(w.t.Context(), event.Start{Earliest: true})
	w.check(err)
	defer stream.Close()
	var events []event.Event
	for len(events) < n {
		b, err := stream.Next(w.t.Context())
		w.check(err)
		events = append(events, b.Events...)
	}
	return events
}

func orders(n int) []event.Attempted {
	var all []any
	for i := range n {
		all = append(all, map[string]any{"Order_Number__c": fmt.Sprintf("O-%d", i), "Amount__c": 1.5, "Status__c": secretName, "Placed_At__c": "2026-08-20T18:31:40.000Z"})
	}
	return batch(all...)
}

// What is published is what subscribers read, in order, over both APIs.
func TestDestination_PublishesPlatformEvents(t *testing.T) {
	t.Parallel()
	for _, via := range []writeback.Via{writeback.PubSub, writeback.REST} {
		t.Run(string(via), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.destination(writeback.Config{Publish: "Order_Event__e", Via: via})
			w.delivered(d, orders(220))
			got := w.changes(orderTopic, 220)
			for i, e := range got {
				var fields map[string]any
				w.check(json.Unmarshal(e.Data, &fields))
				if fields["Order_Number__c"] != fmt.Sprintf("O-%d", i) || fields["Amount__c"] != 1.5 || fields["Status__c"] != secretName || fields["Placed_At__c"] != "2026-08-20T18:31:40.000Z" {
					t.Fatalf("event %d: %s", i, e.Data)
				}
			}
			if n := w.published(orderTopic); n != 220 {
				t.Errorf("%d events on the bus", n)
			}
			want := 0 // publishing over the Pub/Sub API is no API request
			if via == writeback.REST {
				want = 2
			}
			if n := len(w.tap.calls()); n != want {
				t.Errorf("%d API requests, want %d", n, want)
			}
		})
	}
}

// An event that is published twice has one id on the bus, so that its subscribers
// can tell.
func TestDestination_PublishesUnderTheEventsOwnID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.destination(writeback.Config{Publish: "Order_Event__e"})
	const own = "5f0c8c1e-6f0e-4a39-9b0e-6d3c1f1b2a77"
	events := orders(3)
	events[0].Event.ID = own
	w.delivered(d, events)
	w.delivered(d, events)
	if got := w.changes(orderTopic, 6); w.published(orderTopic) != 3 || got[0].ID != own || got[3].ID != own || got[1].ID != got[4].ID {
		t.Errorf("ids %v", w.org.Published(orderTopic))
	}
	twice := orders(2)
	twice[1].Event.ID = twice[0].Event.ID
	w.delivered(d, twice)
	if got := w.published(orderTopic); got != 5 {
		t.Errorf("%d ids, want the three, e-0 and one that the bus gave", got)
	}
}

func TestDestination_RefusesEventsThatDoNotFitTheirSchema(t *testing.T) {
	t.Parallel()
	for _, via := range []writeback.Via{writeback.PubSub, writeback.REST} {
		w := newWorld(t)
		d := w.destination(writeback.Config{Publish: "Order_Event__e", Via: via})
		got := w.outcomes(d, batch(
			map[string]any{"Order_Number__c": "1"}, map[string]any{"Nope__c": secretName}, map[string]any{"Amount__c": secretName},
			map[string]any{"Placed_At__c": secretName}, `"`+secretName+`"`, map[string]any{"Order_Number__c": "2"},
		))
		for i, want := range []string{"", "Nope__c", "Amount__c", "Placed_At__c", "JSON object", ""} {
			if verdict := got[i].Verdict; (verdict == event.Delivered) != (want == "") || verdict != event.Delivered && verdict != event.Reject || !strings.Contains(got[i].Reason, want) {
				t.Errorf("%s, event %d: %+v, want %q", via, i, got[i], want)
			}
		}
		if n := w.published(orderTopic); n != 2 {
			t.Errorf("%s: %d events on the bus", via, n)
		}
	}
}

func TestDestination_PublishesThroughFaults(t *testing.T) {
	t.Parallel()
	const stream, topic = "/eventbus.v1.PubSub/PublishStream", "/eventbus.v1.PubSub/GetTopic"
	for name, c := range map[string]struct {
		fault   fault.Fault
		verdict event.Verdict
	}{
		"revoked token":  {fault.Fault{Name: fault.RevokeToken, Count: 1, Match: fault.Match{Endpoint: stream}}, event.Delivered},
		"revoked early":  {fault.Fault{Name: fault.RevokeToken, Count: 1, Match: fault.Match{Endpoint: topic}}, event.Delivered},
		"bus away":       {fault.Fault{Name: fault.Unavailable, Count: 1, Match: fault.Match{Endpoint: stream}}, event.Unavailable},
		"bus away early": {fault.Fault{Name: fault.Unavailable, Count: 1, Match: fault.Match{Endpoint: topic}}, event.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.fault(c.fault)
			d := w.destination(writeback.Config{Publish: "Order_Event__e"})
			for i, o := range w.outcomes(d, orders(5)) {
				if o.Verdict != c.verdict {
					t.Errorf("event %d: %+v", i, o)
				}
			}
			if c.verdict != event.Delivered {
				w.delivered(d, orders(5))
			}
			if n := w.published(orderTopic); n != 5 {
				t.Errorf("%d events on the bus", n)
			}
		})
	}
}

// A stream that broke is replaced.
func TestDestination_OpensTheStreamAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.destination(writeback.Config{Publish: "Order_Event__e"})
	w.delivered(d, orders(2))
	w.org.ResetStreams()
	got := w.outcomes(d, orders(4))
	if got[0].Verdict != event.Delivered { // the reset was seen by the request and not before
		w.delivered(d, orders(4))
	}
	if n := w.published(orderTopic); n != 4 {
		t.Errorf("%d ids on the bus", n)
	}
}

func TestDestination_PausesWhenTheHourIsUsedUp(t *testing.T) {
	t.Parallel()
	for _, via := range []writeback.Via{writeback.PubSub, writeback.REST} {
		w := newWorld(t, func(c *orgsim.Config) { c.HourlyPublished = 3 })
		d := w.destination(writeback.Config{Publish: "Order_Event__e", Via: via})
		w.delivered(d, orders(3))
		for _, o := range w.outcomes(d, orders(2)) {
			if o.Verdict != event.Unavailable || o.After < 30*time.Second || o.Happened != event.HappenedNo {
				t.Errorf("%s: %+v", via, o)
			}
		}
	}
}

// A topic that does not exist is the route's mistake where the route names it, and
// the event's where that does.
func TestDestination_TellsWhoseMistakeAnUnknownTopicIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if o := w.outcomes(w.destination(writeback.Config{Publish: "Gone__e"}), orders(1))[0]; o.Verdict != event.Unavailable || o.Hint == "" {
		t.Errorf("%+v", o)
	}
	open := w.destination(writeback.Config{Allow: []string{"Gone__e.publish", "Order_Event__e.publish"}})
	got := w.outcomes(open, batch(map[string]any{"publish": "Gone__e", "record": map[string]any{}}, map[string]any{"publish": "Order_Event__e", "record": map[string]any{}}))
	if got[0].Verdict != event.Reject || got[1].Verdict != event.Delivered {
		t.Errorf("%+v", got)
	}
}

func TestDestination_PublishesFromManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.destination(writeback.Config{Publish: "Order_Event__e"})
	done := make(chan []event.Outcome)
	for n := range 8 {
		go func() {
			events := orders(50)
			for i := range events {
				events[i].Event.ID = fmt.Sprintf("%d-%d", n, i)
			}
			done <- d.DeliverBatch(t.Context(), events)
		}()
	}
	for range 8 {
		if out := <-done; slices.ContainsFunc(out, func(o event.Outcome) bool { return o.Verdict != event.Delivered }) {
			t.Errorf("%+v", out)
		}
	}
	if n := w.published(orderTopic); n != 400 {
		t.Errorf("%d events on the bus", n)
	}
}
