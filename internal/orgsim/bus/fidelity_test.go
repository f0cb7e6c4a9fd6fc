package bus_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// indexed returns the test's objects as an org has them: found by name.
func indexed(t testing.TB) []*schema.Object {
	t.Helper()
	list := objects()
	for i, o := range list {
		o.KeyPrefix = fmt.Sprintf("a%02d", i)
	}
	if _, err := schema.NewCatalog(list); err != nil {
		t.Fatal(err)
	}
	return list
}

func openWith(t testing.TB, cfg bus.Config) *bus.Bus {
	t.Helper()
	if cfg.Objects == nil {
		cfg.Objects = indexed(t)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	}
	b, err := bus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// records numbers the changes' records.
func records(o *schema.Object, list ...record.Change) record.Transaction {
	tx := transaction(o, list...)
	for i := range tx.Changes {
		tx.Changes[i].ID = salesforce.ID(fmt.Sprintf("001Dp0000000%03dIAT", i))
	}
	return tx
}

func recordIDs(event map[string]any) []any { return headerOf(event)["recordIds"].([]any) }

func TestCommitted_LikeChangesAreOneEvent(t *testing.T) {
	t.Parallel()
	o := indexed(t)[1]
	b := openWith(t, bus.Config{})
	phone := func(name, number string) record.Change {
		return record.Change{
			Type: record.Update, Before: record.Row{"Name": name}, After: record.Row{"Name": name, "Phone": number}, Changed: []string{"Phone"},
		}
	}
	emptied := record.Change{Type: record.Update, Before: record.Row{"Name": "E", "Phone": "1"}, After: record.Row{"Name": "E"}, Changed: []string{"Phone"}}
	b.Committed(records(o, phone("A", "1"), phone("B", "2"), phone("C", "1"), emptied,
		record.Change{Type: record.Delete, Before: record.Row{"Name": "F"}}, record.Change{Type: record.Delete, Before: record.Row{"Name": "G"}}))
	events := decoded(t, b, changes)
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%v %v %v %v", headerOf(e)["changeType"], headerOf(e)["sequenceNumber"], recordIDs(e), e["Phone"]))
	}
	want := []string{
		"UPDATE 1 [001Dp0000000000IAT 001Dp0000000002IAT] 1",
		"UPDATE 2 [001Dp0000000001IAT] 2",
		"UPDATE 4 [001Dp0000000003IAT] <nil>",
		"DELETE 5 [001Dp0000000004IAT 001Dp0000000005IAT] <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommitted_BeyondTheLimitOneOverflowForEachEntity(t *testing.T) {
	t.Parallel()
	list := indexed(t)
	list[2].ChangeEvents = true
	b := openWith(t, bus.Config{Objects: list, OverflowAt: 3})
	create := func(name string) record.Change {
		return record.Change{Type: record.Create, After: record.Row{"Name": name}}
	}
	update := record.Change{Type: record.Update, After: record.Row{"Phone": "1"}, Changed: []string{"Phone", "LastModifiedDate"}}
	other := create("X")
	other.Object = list[2]
	b.Committed(records(list[1], create("A"), update, create("B"), create("C"), other))
	var got []string
	for _, e := range decoded(t, b, bus.ChangeEvents) {
		h := headerOf(e)
		got = append(got, fmt.Sprint(h["entityName"], " ", h["changeType"], " ", h["recordIds"]))
	}
	want := []string{
		"Account CREATE [001Dp0000000000IAT]", "Account UPDATE [001Dp0000000001IAT]", // 1 + 2 changes
		"Account GAP_OVERFLOW [000000000000000AAA]", "Secret__c GAP_OVERFLOW [000000000000000AAA]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddGap(t *testing.T) {
	t.Parallel()
	b := openWith(t, bus.Config{})
	for _, bad := range []bus.Gap{
		{Object: "None"}, {Object: "Account"}, {Object: "Account", ChangeType: "UPDATE", RecordIDs: []string{"1"}}, {Object: "Secret__c", RecordIDs: []string{"1"}},
	} {
		if err := b.AddGap(bad); err == nil {
			t.Errorf("%+v was added", bad)
		}
	}
	if err := b.AddGap(bus.Gap{Object: "Account", ChangeType: "GAP_DELETE", RecordIDs: []string{"001Dp00000JJkkHIAT", "001Dp00000JJkkIIAT"}}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddGap(bus.Gap{Object: "account", ChangeType: "GAP_OVERFLOW"}); err != nil {
		t.Fatal(err)
	}
	events := decoded(t, b, bus.ChangeEvents)
	if len(events) != 2 || headerOf(events[0])["changeType"] != "GAP_DELETE" || len(recordIDs(events[0])) != 2 ||
		headerOf(events[0])["changeOrigin"] != "" || headerOf(events[1])["changeType"] != "GAP_OVERFLOW" || recordIDs(events[1])[0] != "000000000000000AAA" {
		t.Errorf("gaps: %v", events)
	}
}

func TestChannel_FiltersAndEnriches(t *testing.T) {
	t.Parallel()
	list := indexed(t)
	b := openWith(t, bus.Config{Objects: list})
	if _, err := b.DeclareChannel(bus.Channel{Name: "Sales__chn"}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []bus.Member{
		{Channel: "Sales__chn", Entity: "AccountChangeEvent", EnrichedFields: []string{"Name"}, FilterExpression: "BillingAddress.City = 'Reno' AND ChangeEventHeader.changeType != 'CREATE'"},
		{Channel: "Sales__chn", Entity: "Secret__ChangeEvent"},
	} {
		if _, err := b.DeclareMember(m); err != nil {
			t.Fatal(err)
		}
	}
	reno := record.Row{"Name": "Acme", "BillingCity": "Reno", "Phone": "1"}
	elko := record.Row{"Name": "Else", "BillingCity": "Elko", "Phone": "1"}
	b.Committed(records(list[1],
		record.Change{Type: record.Create, After: reno},
		record.Change{Type: record.Update, Before: reno, After: reno, Changed: []string{"Phone"}},
		record.Change{Type: record.Update, Before: elko, After: elko, Changed: []string{"Phone"}},
		record.Change{Type: record.Delete, Before: reno},
		record.Change{Object: list[2], Type: record.Create, After: record.Row{"Name": "told"}},
	))
	events := decoded(t, b, "/data/Sales__chn")
	if len(events) != 3 {
		t.Fatalf("%d events: %v", len(events), events)
	}
	update, remove, secret := events[0], events[1], events[2]
	if headerOf(update)["changeType"] != "UPDATE" || update["Name"] != "Acme" || update["BillingAddress"].(map[string]any)["City"] != "Reno" ||
		len(headerOf(update)["changedFields"].([]any)) != 1 || len(recordIDs(update)) != 1 {
		t.Errorf("update: %v", update)
	}
	if headerOf(remove)["changeType"] != "DELETE" || remove["Name"] != "Acme" || remove["Phone"] != nil {
		t.Errorf("delete: %v", remove)
	}
	if headerOf(secret)["entityName"] != "Secret__c" || secret["Name"] != "told" {
		t.Errorf("the entity that is selected for the channel alone: %v", secret)
	}
	own := decoded(t, b, changes) // merged and plain
	if len(own) != 3 || len(recordIDs(own[1])) != 2 || own[1]["Name"] != nil || own[2]["Name"] != nil {
		t.Errorf("the object's own topic: %v", own)
	}
	if _, ok := b.Topic("/data/Secret__ChangeEvent"); ok {
		t.Error("a channel's entity has a topic of its own")
	}
}

func TestChannel_OfPlatformEvents(t *testing.T) {
	t.Parallel()
	list := indexed(t)
	b := openWith(t, bus.Config{Objects: list})
	if _, err := b.DeclareChannel(bus.Channel{Name: "Depot__chn", Type: "event"}); err != nil {
		t.Fatal(err)
	}
	m, err := b.DeclareMember(bus.Member{Channel: "Depot__chn", Entity: "Stock_Low__e", FilterExpression: "Sku__c LIKE 'A-%'"})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(sku string) string {
		t.Helper()
		id, err := b.Publish(list[0], record.Row{"Sku__c": sku}, "005Dp000000PpjsIAC")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	wanted := publish("A-1")
	publish("B-1")
	if got := b.Published("/event/Depot__chn"); !slices.Equal(got, []string{wanted}) {
		t.Errorf("the channel has %v, want %s", got, wanted)
	}
	if ok, err := b.DeleteMember(m.ID); !ok || err != nil {
		t.Fatal(ok, err)
	}
	publish("A-2")
	if got := b.Published("/event/Depot__chn"); len(got) != 1 {
		t.Errorf("without a member: %v", got)
	}
}

func TestChannel_SelectionForTheCommonTopic(t *testing.T) {
	t.Parallel()
	list := indexed(t)
	b := openWith(t, bus.Config{Objects: list})
	if _, err := b.DeclareMember(bus.Member{Channel: "ChangeEvents", Entity: "Secret__ChangeEvent"}); err != nil {
		t.Fatal(err)
	}
	b.Committed(records(list[2], record.Change{Type: record.Create, After: record.Row{"Name": "now told"}}))
	for _, topic := range []string{bus.ChangeEvents, "/data/Secret__ChangeEvent"} {
		if events := decoded(t, b, topic); len(events) != 1 || events[0]["Name"] != "now told" {
			t.Errorf("%s: %v", topic, events)
		}
	}
}

func TestDeclare_RefusesNonsense(t *testing.T) {
	t.Parallel()
	b := openWith(t, bus.Config{})
	if _, err := b.DeclareChannel(bus.Channel{Name: "Sales__chn"}); err != nil {
		t.Fatal(err)
	}
	var problems []error
	for _, c := range []bus.Channel{{Name: "Sales"}, {Name: "Sales__chn"}, {Name: "Other__chn", Type: "topic"}} {
		_, err := b.DeclareChannel(c)
		problems = append(problems, err)
	}
	for _, m := range []bus.Member{
		{Channel: "None__chn", Entity: "AccountChangeEvent"},
		{Channel: "Sales__chn", Entity: "Account"},
		{Channel: "Sales__chn", Entity: "Stock_Low__e"},
		{Channel: "ChangeEvents", Entity: "Stock_Low__e"},
		{Channel: "Sales__chn", Entity: "AccountChangeEvent", EnrichedFields: []string{"None"}},
		{Channel: "Sales__chn", Entity: "AccountChangeEvent", EnrichedFields: make([]string, 11)},
		{Channel: "Sales__chn", Entity: "AccountChangeEvent", FilterExpression: "Name ="},
		{Channel: "Sales__chn", Entity: "AccountChangeEvent", FilterExpression: "None = 1"},
	} {
		_, err := b.DeclareMember(m)
		problems = append(problems, err)
	}
	for _, p := range []bus.PushTopic{
		{Name: "A"},
		{Name: strings.Repeat("a", 26), Query: "SELECT Id FROM Account"},
		{Name: "a/b", Query: "SELECT Id FROM Account"},
		{Name: "A", Query: "SELECT Id FROM Account WHERE " + strings.Repeat("x", 1300)},
		{Name: "A", Query: "UPDATE Account"},
		{Name: "A", Query: "SELECT Id FROM None"},
		{Name: "A", Query: "SELECT Name FROM Account"},
		{Name: "A", Query: "SELECT Id, None FROM Account"},
		{Name: "A", Query: "SELECT Id FROM Account WHERE None = 1"},
		{Name: "A", Query: "SELECT Id FROM Account WHERE Name ="},
	} {
		_, err := b.DeclarePushTopic(p)
		problems = append(problems, err)
	}
	for _, name := range []string{"notifications", "/u/", "/u/a b", "/topic/x"} {
		_, err := b.DeclareGeneric(bus.StreamingChannel{Name: name})
		problems = append(problems, err)
	}
	for i, err := range problems {
		if refused := (*record.Error)(nil); !errors.As(err, &refused) || refused.Code == "" {
			t.Errorf("declaration %d: %v", i, err)
		}
	}
	if _, err := b.Push("/u/none", bus.GenericEvent{}); !errors.Is(err, bus.ErrNoTopic) {
		t.Errorf("Push: %v", err)
	}
	if _, err := b.Push(topic, bus.GenericEvent{}); !errors.Is(err, bus.ErrNoTopic) {
		t.Errorf("Push to an event's topic: %v", err)
	}
}

func TestDeclare_OutlivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	list := indexed(t)
	first, err := bus.Open(t.Context(), bus.Config{Objects: list, Clock: c, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	declare(t, first)
	if _, err := first.Push("/u/x", bus.GenericEvent{Payload: "kept"}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openWith(t, bus.Config{Objects: list, Clock: c, Path: path})
	if len(second.PushTopics()) != 1 || len(second.Channels()) != 1 || len(second.Members()) != 1 || len(second.Generic()) != 1 {
		t.Error("something that was declared is gone")
	}
	if _, ok := second.Topic("/u/x"); ok {
		t.Error("a generic channel became a topic of the Pub/Sub API")
	}
	events, _, err := second.Read(nil, "/u/x", bus.Earliest, 10, 1000)
	if err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
	second.Committed(records(list[1], record.Change{Type: record.Create, After: record.Row{"Name": "Acme"}}))
	for _, topic := range []string{"/topic/All", "/data/Sales__chn"} {
		if n := second.PublishedCount(topic); n != 1 {
			t.Errorf("%s has %d events", topic, n)
		}
	}
	undeclare(t, second)
}

func declare(t *testing.T, b *bus.Bus) {
	t.Helper()
	_, a := b.DeclarePushTopic(bus.PushTopic{Name: "All", Query: "SELECT Id FROM Account"})
	_, c := b.DeclareChannel(bus.Channel{Name: "Sales__chn"})
	_, d := b.DeclareMember(bus.Member{Channel: "Sales__chn", Entity: "AccountChangeEvent"})
	_, e := b.DeclareGeneric(bus.StreamingChannel{Name: "/u/x"})
	if err := errors.Join(a, c, d, e); err != nil {
		t.Fatal(err)
	}
}

func undeclare(t *testing.T, b *bus.Bus) {
	t.Helper()
	for i := range 2 {
		topics, channels, generic := salesforce.ID("0IFSp00000000001"), salesforce.ID("x"), salesforce.ID("y")
		if i == 0 {
			topics, channels, generic = b.PushTopics()[0].ID, b.Channels()[0].ID, b.Generic()[0].ID
		}
		one, a := b.DeletePushTopic(topics)
		two, c := b.DeleteChannel(channels)
		three, d := b.DeleteGeneric(generic)
		if err := errors.Join(a, c, d); err != nil || one != (i == 0) || two != one || three != one {
			t.Errorf("round %d: %v %v %v %v", i, one, two, three, err)
		}
	}
	for _, name := range []string{"/topic/All", "/data/Sales__chn", "/u/x"} {
		if _, ok := b.StreamingTopic(name); ok {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestMove_InvalidatesEveryPosition(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "events.db")
		c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
		b := openWith(t, bus.Config{Clock: c, Path: path})
		old := appendTo(t, b, "a", "b", "c")
		if err := b.Move(drop); err != nil {
			t.Fatal(err)
		}
		for _, e := range old {
			if err := b.Resolve(topic, e.Position); !errors.Is(err, bus.ErrPositionGone) {
				t.Errorf("an old position: %v", err)
			}
		}
		want := "a b c"
		if drop {
			want = ""
		}
		if got := strings.Join(payloadsAfter(t, b, topic, bus.Earliest), " "); got != want {
			t.Errorf("drop %v: %q", drop, got)
		}
		if err := b.Resolve(topic, b.Tip()); err != nil || b.Tip() <= old[2].Position {
			t.Errorf("the tip %d after the move: %v", b.Tip(), err)
		}
		appendTo(t, b, "d")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		again := openWith(t, bus.Config{Clock: c, Path: path})
		if got := strings.Join(payloadsAfter(t, again, topic, bus.Earliest), " "); got != strings.TrimSpace(want+" d") {
			t.Errorf("drop %v, after a restart: %q", drop, got)
		}
		if err := again.Resolve(topic, old[1].Position); !errors.Is(err, bus.ErrPositionGone) {
			t.Errorf("an old position after a restart: %v", err)
		}
	}
}

func TestAllocations_MoveWithTheClock(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	b := openWith(t, bus.Config{Clock: c, DailyDelivered: 10, HourlyPublished: 3})
	if err := b.Delivered(9); err != nil {
		t.Fatal(err)
	}
	if err := b.Delivered(2); !errors.Is(err, bus.ErrDeliveryLimit) {
		t.Errorf("beyond the allocation: %v", err)
	}
	appendTo(t, b, "1", "2")
	c.Advance(30 * time.Minute)
	appendTo(t, b, "3")
	if _, err := b.Append(topic, bus.Draft{}); !errors.Is(err, bus.ErrPublishLimit) {
		t.Errorf("a fourth event: %v", err)
	}
	want := map[string]bus.Allocation{"DailyDeliveredPlatformEvents": {Max: 10, Remaining: 1}, "HourlyPublishedPlatformEvents": {Max: 3}}
	if diff := cmp.Diff(want, b.Allocations()); diff != "" {
		t.Error(diff)
	}
	c.Advance(31 * time.Minute) // the first two are an hour old
	appendTo(t, b, "4", "5")
	c.Advance(24 * time.Hour)
	if err := b.Delivered(10); err != nil {
		t.Errorf("the day after: %v", err)
	}
	b.ResetAllocations()
	if got := b.Allocations()["DailyDeliveredPlatformEvents"]; got.Remaining != 10 {
		t.Errorf("after a reset: %v", got)
	}
}

func TestWatcher(t *testing.T) {
	t.Parallel()
	b := openWith(t, bus.Config{})
	w := b.Watch()
	told := func() bool {
		select {
		case <-w.C:
			return true
		default:
			return false
		}
	}
	w.Add(topic)
	if !told() {
		t.Error("nothing says that events may have come before")
	}
	appendTo(t, b, "1")
	appendTo(t, b, "2")
	if !told() || told() {
		t.Error("events are not told once")
	}
	w.Add(changes)
	w.Add("/event/None__e")
	told()
	w.Remove(topic)
	appendTo(t, b, "3")
	if told() {
		t.Error("a topic is told that is not watched any more")
	}
	w.Close()
	b.Committed(records(indexed(t)[1], record.Change{Type: record.Create, After: record.Row{"Name": "A"}}))
	if told() {
		t.Error("a closed watcher is told")
	}
}
