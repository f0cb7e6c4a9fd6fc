package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/connect/records"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// outboxSchema is an org with the outbox of the Apex package, and with a table of
// somebody's own.
const outboxSchema = `
objects:
  - name: Sallyport_Outbox__c
    nameField: {format: "OB-{0000000000}"}
    fields:
      - {name: Event_Id__c, type: text, length: 36, required: true, unique: true, externalId: true}
      - {name: Topic__c, type: text, length: 120, required: true}
      - {name: Key__c, type: text, length: 255}
      - {name: Payload__c, type: textarea, length: 131072, required: true}
  - name: Sent__c
    fields:
      - {name: Event_Id__c, type: text, length: 36}
      - {name: Amount__c, type: number, precision: 18, scale: 2}
      - {name: Urgent__c, type: checkbox}
      - {name: Due__c, type: datetime}
events:
  - name: Order_Event__e
    fields:
      - {name: Order_Number__c, type: text, length: 40, required: true}
      - {name: Amount__c, type: number, precision: 18, scale: 2}
      - {name: Due__c, type: datetime}
      - {name: Note__c, type: text, length: 80}
`

func newOutboxWorld(t *testing.T) *world {
	t.Helper()
	catalog, err := schema.Parse([]byte(outboxSchema))
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOf(t, orgsim.Config{BulkTimeFactor: -1, Catalog: catalog})
}

func (w *world) rows(cfg records.RowsConfig, topic string) *records.Rows {
	w.t.Helper()
	cfg.Topic = w.topic(topic)
	r, err := records.NewRows(cfg, w.rest, w.bulk)
	w.check(err)
	return r
}

// publish publishes an order and keeps it in the outbox, as the Apex package does.
func (w *world) publish(number string, fields map[string]any) (id string) {
	w.t.Helper()
	order := map[string]any{"Order_Number__c": number}
	for name, v := range fields {
		order[name] = v
	}
	published, err := w.rest.PublishEvent(w.t.Context(), "Order_Event__e", order)
	w.check(err)
	order["attributes"] = map[string]any{"type": "Order_Event__e"}
	payload, err := json.Marshal(order)
	w.check(err)
	_, err = w.rest.Create(w.t.Context(), records.DefaultOutbox, map[string]any{
		"Event_Id__c": published.UUID, "Topic__c": "/event/Order_Event__e", "Key__c": "k-" + number, "Payload__c": string(payload),
	})
	w.check(err)
	return published.UUID
}

// stream reads what the bus has of a topic.
func (w *world) stream(topic string, n int) (events []event.Event) {
	w.t.Helper()
	source, err := eventbus.NewSource(eventbus.Config{Topic: w.topic(topic)}, w.bus)
	w.check(err)
	stream, err := source.Open(w.t.Context(), event.Start{Earliest: true})
	w.check(err)
	defer stream.Close()
	for len(events) < n {
		batch, err := stream.Next(w.t.Context())
		w.check(err)
		events = append(events, batch.Events...)
	}
	return events
}

type opener interface {
	Refill(context.Context, event.Span, event.Position) (event.Stream, error)
}

// read reads a refill from a position to its end or for n batches.
func (w *world) read(r opener, span event.Span, after event.Position, n int) (events []event.Event, at event.Position) {
	w.t.Helper()
	s, err := r.Refill(w.t.Context(), span, after)
	w.check(err)
	defer s.Close()
	for at = after; n != 0; n-- {
		batch, err := s.Next(w.t.Context())
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		w.check(err)
		events, at = append(events, batch.Events...), batch.Position
	}
	return events, at
}

// An event from the outbox is the one that the bus had, id included, by REST and
// by Bulk.
func TestOutbox_BringsTheEventsOfTheBus(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	from := time.Now().Add(-time.Minute)
	w.publish("A-1", map[string]any{"Amount__c": 1234567890123.25, "Due__c": "2027-01-31T10:00:00.000+0000"})
	w.publish("A-2", map[string]any{"Note__c": "\"quoted\" & <ümlaut>\nline"})
	live := w.stream("/event/Order_Event__e", 2)
	for how, bulkOver := range map[string]int{"REST": 100, "Bulk": 1} {
		got, _ := w.read(w.rows(records.RowsConfig{Outbox: records.DefaultOutbox, BulkOver: bulkOver}, "/event/Order_Event__e"), event.Span{From: from}, nil, -1)
		if len(got) != len(live) {
			t.Fatalf("%s: %d events, want %d", how, len(got), len(live))
		}
		for i, e := range got {
			want := live[i]
			if e.ID != want.ID || e.Type != want.Type || e.Source != want.Source || e.OrgID != want.OrgID || e.Key != fmt.Sprintf("k-A-%d", i+1) || !e.Refilled {
				t.Errorf("%s: %+v, the bus has %+v", how, e, want)
			}
			if age := e.Time.Sub(want.Time).Abs(); age > 2*time.Second {
				t.Errorf("%s: the time is off by %s", how, age)
			}
			if diff := cmp.Diff(payload(t, want), payload(t, e)); diff != "" {
				t.Errorf("%s: data differ (-bus +outbox):\n%s", how, diff)
			}
		}
	}
}

func payload(t *testing.T, e event.Event) map[string]any {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(e.Data, &d); err != nil {
		t.Fatalf("%v in %s", err, e.Data)
	}
	if _, ok := d["CreatedDate"].(string); !ok {
		t.Errorf("no CreatedDate in %s", e.Data)
	}
	delete(d, "CreatedDate") // of the row, a moment beside the event's
	return d
}

// The key of the route wins over that of the row, so that live and refilled events
// of one key stay in one lane; other topics' rows and those outside the span stay out.
func TestOutbox_ReadsItsTopicAndSpan(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	w.publish("before", nil)
	w.org.Clock().Advance(time.Hour)
	from := w.org.Clock().Now()
	w.org.Clock().Advance(time.Minute)
	id := w.publish("in", nil)
	_, err := w.rest.Create(t.Context(), records.DefaultOutbox, map[string]any{
		"Event_Id__c": "other", "Topic__c": "/event/Other__e", "Payload__c": "{}",
	})
	w.check(err)
	until := w.org.Clock().Now()
	w.org.Clock().Advance(time.Hour)
	w.publish("after", nil)
	r := w.rows(records.RowsConfig{Outbox: records.DefaultOutbox, KeyField: "Order_Number__c"}, "/event/Order_Event__e")
	got, _ := w.read(r, event.Span{From: from, Until: until}, nil, -1)
	if len(got) != 1 || got[0].ID != id || got[0].Key != "in" {
		t.Errorf("got %+v", got)
	}
	if got, _ := w.read(r, event.Span{From: from}, nil, -1); len(got) != 2 {
		t.Errorf("%d events when nothing is retained, want all since the beginning: 2", len(got))
	}
}

// A row that is no event becomes an undecodable one, the same each time; its
// neighbours come.
func TestOutbox_KeepsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	from := time.Now().Add(-time.Minute)
	_, err := w.rest.Create(t.Context(), records.DefaultOutbox, map[string]any{
		"Event_Id__c": "bad", "Topic__c": "/event/Order_Event__e", "Payload__c": "not JSON",
	})
	w.check(err)
	w.publish("good", nil)
	r := w.rows(records.RowsConfig{Outbox: records.DefaultOutbox}, "/event/Order_Event__e")
	first, _ := w.read(r, event.Span{From: from}, nil, -1)
	again, _ := w.read(r, event.Span{From: from}, nil, -1)
	if len(first) != 2 || first[0].Type != event.TypeUndecodable || first[0].ID != again[0].ID || !strings.Contains(string(first[0].Data), "no JSON object") {
		t.Errorf("got %+v", first)
	}
}

const sentQuery = "SELECT Id, Name, Event_Id__c, Amount__c, Urgent__c, Due__c, CreatedDate FROM Sent__c " +
	"WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY SystemModstamp, Name"

func sentConfig(t *testing.T, query, mapping string) records.RowsConfig {
	t.Helper()
	q, err := salesforce.ParseSpanQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return records.RowsConfig{Query: q, Map: mapping}
}

func (w *world) sent(n int) {
	w.t.Helper()
	object, _ := w.org.Catalog().Object("Sent__c")
	rows := make([]record.Row, n)
	for i := range rows {
		rows[i] = record.Row{
			"Name": fmt.Sprintf("S-%03d", i), "Event_Id__c": fmt.Sprintf("u-%d", i), "Amount__c": 900719925474.25 + float64(i),
			"Urgent__c": i%2 == 0, "Due__c": time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC),
		}
	}
	_, err := w.org.Records().InsertMany(w.t.Context(), record.Actor{User: w.org.Sessions().Users()[0].ID}, object, rows)
	w.check(err)
}

// The mapping sees the same row however it was read, numbers as events spell
// them, and may make any number of events of it.
func TestRows_MapTheSameByRESTAndBulk(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	from := time.Now().Add(-time.Minute)
	w.sent(3)
	const mapping = `select(.Name != "S-001") | {id: .Event_Id__c, time: .CreatedDate, key: .Name, subject: .Id,
		data: {Amount__c, Urgent__c, Due__c, half: (if .Urgent__c then 0.5 else 1 end)}}, if .Name == "S-002" then
		{id: (.Event_Id__c + "/2"), time: .Due__c, data: {}} else empty end`
	var seen [][]event.Event
	for _, bulkOver := range []int{100, 1} {
		cfg := sentConfig(t, sentQuery, mapping)
		cfg.BulkOver = bulkOver
		got, _ := w.read(w.rows(cfg, "/event/Order_Event__e"), event.Span{From: from}, nil, -1)
		seen = append(seen, got)
	}
	if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
		t.Errorf("REST and Bulk differ:\n%s", diff)
	}
	got := seen[0]
	if len(got) != 3 || got[0].ID != "u-0" || got[1].ID != "u-2" || got[2].ID != "u-2/2" || got[0].Key != "S-000" || len(got[0].Subject) != 18 {
		t.Fatalf("got %+v", got)
	}
	if want := `{"Amount__c":900719925474.25,"Due__c":"2027-01-31T10:00:00.000Z","Urgent__c":true,"half":0.5}`; string(got[0].Data) != want {
		t.Errorf("data %s, want %s", got[0].Data, want)
	}
	if got[2].Time != time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC) || got[2].Type != "com.salesforce.event.Order_Event__e" {
		t.Errorf("event %+v", got[2])
	}
}

// A refill that breaks off goes on after the last batch, page by page or in the
// middle of a job's result, and what it brings is what one reading brings.
func TestRows_ResumeAfterEachBatch(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	from := time.Now().Add(-time.Minute)
	w.sent(450)
	for how, bulkOver := range map[string]int{"REST": 100_000, "Bulk": 1} {
		cfg := sentConfig(t, sentQuery, `{id: .Event_Id__c, time: .CreatedDate, data: {}}`)
		cfg.BulkOver, cfg.BatchSize, cfg.PageRows = bulkOver, 200, 300
		r := w.rows(cfg, "/event/Order_Event__e")
		var got []event.Event
		var at event.Position
		for stops := 0; stops == 0 || at != nil; stops++ {
			var some []event.Event
			some, at = w.read(r, event.Span{From: from}, at, 1)
			got = append(got, some...)
			if stops > 20 {
				t.Fatalf("%s: the refill does not end", how)
			}
		}
		ids := map[string]bool{}
		for _, e := range got {
			ids[e.ID] = true
		}
		if len(got) != 450 || len(ids) != 450 {
			t.Errorf("%s: %d events with %d ids, want 450", how, len(got), len(ids))
		}
	}
}

// Statements with more than plain fields are read over REST, however many rows.
func TestRows_ReadRelatedFields(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	from := time.Now().Add(-time.Minute)
	w.sent(2)
	cfg := sentConfig(t, "SELECT Event_Id__c, CreatedBy.Name, CreatedDate FROM Sent__c WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY Name",
		`{id: .Event_Id__c, time: .CreatedDate, data: {by: .CreatedBy}}`)
	cfg.BulkOver = 1
	got, _ := w.read(w.rows(cfg, "/event/Order_Event__e"), event.Span{From: from}, nil, -1)
	if len(got) != 2 || !strings.HasPrefix(string(got[0].Data), `{"by":{"Name":"`) {
		t.Errorf("got %+v", got)
	}
}

// What a mapping gets wrong is said in a dead letter; it never stops the refill.
func TestRows_KeepWhatTheMapFailsOn(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	from := time.Now().Add(-time.Minute)
	w.sent(1)
	for mapping, want := range map[string]string{
		`error("no")`:                                        "the map fails",
		`.Name`:                                              "no object",
		`{time: .CreatedDate, data: {}}`:                     "id is missing",
		`{id: .Id, data: {}}`:                                "time is missing",
		`{id: .Id, time: "soon", data: {}}`:                  "time is none",
		`{id: .Id, time: .CreatedDate}`:                      "data is no object",
		`{id: 7, time: .CreatedDate, data: {}}`:              "id is no text",
		`{id: .Id, time: .CreatedDate, data: {}, idd: 1}`:    "idd",
		`{id: .Id, time: .CreatedDate, data: (def f: f; f)}`: "the map fails",
	} {
		cfg := sentConfig(t, sentQuery, mapping)
		cfg.Limit = 100 * time.Millisecond
		got, _ := w.read(w.rows(cfg, "/event/Order_Event__e"), event.Span{From: from}, nil, -1)
		if len(got) != 1 || got[0].Type != event.TypeUndecodable || !strings.Contains(string(got[0].Data), want) {
			t.Errorf("%s: %+v", mapping, got)
		}
	}
	// On a channel of several events the row must say which.
	got, _ := w.read(w.rows(sentConfig(t, sentQuery, `{id: .Id, time: .CreatedDate, data: {}}`), "/event/Sales__chn"), event.Span{From: from}, nil, -1)
	if len(got) != 1 || !strings.Contains(string(got[0].Data), "which event it is") {
		t.Errorf("on a channel: %+v", got)
	}
}

// A budget that is used up stops the refill before a request is made.
func TestRows_AskTheBudget(t *testing.T) {
	t.Parallel()
	w := newOutboxWorld(t)
	cfg := sentConfig(t, sentQuery, `empty`)
	cfg.Budget = spent{}
	s, err := w.rows(cfg, "/event/Order_Event__e").Refill(t.Context(), event.Span{From: time.Now()}, nil)
	w.check(err)
	if _, err := s.Next(t.Context()); event.HealingOf(err) != event.Throttled {
		t.Errorf("got %v, want what the budget says", err)
	}
}

type spent struct{}

func (spent) Reserve(context.Context, int) error {
	return &event.Error{Op: "reserve", Healing: event.Throttled, After: time.Minute}
}

func TestRows_RefuseWhatCannotWork(t *testing.T) {
	t.Parallel()
	q, err := salesforce.ParseSpanQuery(sentQuery)
	if err != nil {
		t.Fatal(err)
	}
	topic, err := salesforce.ParseTopic("/event/Order_Event__e")
	if err != nil {
		t.Fatal(err)
	}
	channel, err := salesforce.ParseTopic("/event/Sales__chn")
	if err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]records.RowsConfig{
		"need the topic":    {Query: q, Map: "."},
		"not from both":     {Topic: topic, Query: q, Map: ".", Outbox: "A"},
		"a query and a map": {Topic: topic, Query: q},
		"the events that":   {Topic: channel, Outbox: "A"},
		"times must":        {Topic: topic, Outbox: "A", Margin: -1},
		"compile map":       {Topic: topic, Query: q, Map: "nosuch"},
		"parse map":         {Topic: topic, Query: q, Map: "{"},
	} {
		if _, err := records.NewRows(cfg, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
