package bus_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const topic = "/event/Stock_Low__e"

func objects() []*schema.Object {
	return []*schema.Object{
		{Name: "Stock_Low__e", Kind: schema.PlatformEvent, Fields: []*schema.Field{{Name: "Sku__c", Type: schema.TypeString}}},
		account(),
		{Name: "Secret__c", Fields: []*schema.Field{{Name: "Name", Type: schema.TypeString}}},
	}
}

func account() *schema.Object {
	return &schema.Object{Name: "Account", ChangeEvents: true, Fields: []*schema.Field{
		{Name: "Id", Type: schema.TypeID},
		{Name: "Name", Type: schema.TypeString, NameField: true},
		{Name: "BillingStreet", Type: schema.TypeString, Compound: "BillingAddress", Part: "Street"},
		{Name: "BillingCity", Type: schema.TypeString, Compound: "BillingAddress", Part: "City"},
		{Name: "BillingAddress", Type: schema.TypeAddress},
		{Name: "Phone", Type: schema.TypePhone},
		{Name: "Description", Type: schema.TypeTextArea},
		{Name: "LastModifiedDate", Type: schema.TypeDateTime},
	}}
}

func open(t testing.TB, path string) (*bus.Bus, *clock.Clock) {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	return openAt(t, path, c), c
}

func openAt(t testing.TB, path string, c *clock.Clock) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Config{Objects: objects(), Clock: c, Path: path})
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

func appendTo(t testing.TB, b *bus.Bus, payloads ...string) []*bus.Event {
	t.Helper()
	drafts := make([]bus.Draft, 0, len(payloads))
	for _, p := range payloads {
		drafts = append(drafts, bus.Draft{Payload: []byte(p), Headers: []bus.Header{{Key: "k", Value: []byte(p)}}})
	}
	events, err := b.Append(topic, drafts...)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func payloadsAfter(t testing.TB, b *bus.Bus, name string, p bus.Position) []string {
	t.Helper()
	events, _, err := b.Read(nil, name, p, 1000, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var payloads []string
	for _, e := range events {
		payloads = append(payloads, string(e.Payload))
	}
	return payloads
}

func TestBus_ReadIsStrictlyAfterAndBounded(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	events := appendTo(t, b, "one", "two", "three")
	if got := payloadsAfter(t, b, topic, events[0].Position); len(got) != 2 || got[0] != "two" {
		t.Errorf("after the first: %v", got)
	}
	for _, c := range []struct{ limit, size, want int }{{2, 1 << 20, 2}, {10, 6, 2}, {10, 1, 1}, {0, 1 << 20, 0}} {
		if got, _, err := b.Read(nil, topic, bus.Earliest, c.limit, c.size); err != nil || len(got) != c.want {
			t.Errorf("limit %d, size %d: %d events, %v; want %d", c.limit, c.size, len(got), err, c.want)
		}
	}
	if _, _, err := b.Read(nil, "/event/None__e", bus.Earliest, 1, 1); !errors.Is(err, bus.ErrNoTopic) {
		t.Errorf("unknown topic: %v", err)
	}
	if _, err := b.Append("/event/stock_low__e", bus.Draft{}); !errors.Is(err, bus.ErrNoTopic) {
		t.Errorf("topic names are case-sensitive: %v", err)
	}
}

func TestBus_ReadersAreToldWithoutPolling(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	const total = 200
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			position, seen := bus.Earliest, 0
			for seen < total {
				events, changed, err := b.Read(nil, topic, position, 7, 1<<20)
				if err != nil {
					t.Error(err)
					return
				}
				if len(events) == 0 {
					<-changed
					continue
				}
				for _, e := range events {
					if e.Position <= position {
						t.Errorf("position %d after %d", e.Position, position)
					}
					position = e.Position
				}
				seen += len(events)
			}
		})
	}
	for range total {
		appendTo(t, b, "x")
	}
	readers.Wait()
}

func TestBus_ResolveKnowsItsOwnPositionsOnly(t *testing.T) {
	t.Parallel()
	b, c := open(t, "")
	start := b.Tip()
	e := appendTo(t, b, "one")[0]
	c.Advance(time.Minute)
	idle, ok, err := b.Idle(topic, e.Position)
	if err != nil || !ok || idle <= e.Position {
		t.Fatalf("Idle = %d, %v, %v", idle, ok, err)
	}
	if _, ok, _ := b.Idle(topic, start); ok {
		t.Error("a reader that is behind is given a fresh position, and would skip an event")
	}
	for _, p := range []bus.Position{start, e.Position, idle} {
		if err := b.Resolve(topic, p); err != nil {
			t.Errorf("Resolve(%d): %v", p, err)
		}
	}
	for _, p := range []bus.Position{bus.Earliest, start - 1, idle + 1, 1 << 62} {
		if err := b.Resolve(topic, p); !errors.Is(err, bus.ErrPositionGone) {
			t.Errorf("Resolve(%d): %v", p, err)
		}
	}
	c.Advance(72*time.Hour + time.Second)
	if err := b.Resolve(topic, idle); !errors.Is(err, bus.ErrPositionGone) {
		t.Errorf("a position of 72 hours: %v", err)
	}
}

func TestBus_RetentionForgetsEventsNotTheGroundTruth(t *testing.T) {
	t.Parallel()
	b, c := open(t, filepath.Join(t.TempDir(), "events.db"))
	appendTo(t, b, "old")
	c.Advance(73 * time.Hour)
	if got := payloadsAfter(t, b, topic, bus.Earliest); len(got) != 0 {
		t.Errorf("an event of 73 hours is readable: %v", got)
	}
	appendTo(t, b, "new")
	if got := payloadsAfter(t, b, topic, bus.Earliest); len(got) != 1 || got[0] != "new" {
		t.Errorf("retained: %v", got)
	}
	if got := b.Published(topic); len(got) != 2 {
		t.Errorf("ground truth: %v", got)
	}
}

func TestBus_FileKeepsEverythingOverARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	first, err := bus.Open(t.Context(), bus.Config{Objects: objects(), Clock: c, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	events := appendTo(t, first, "one", "two", "")
	c.Advance(time.Minute)
	idle, ok, err := first.Idle(topic, events[2].Position)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	managed, err := first.DeclareManaged(bus.ManagedSubscription{DeveloperName: "Stock", Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.CommitManaged(managed.ID, events[0].Position); err != nil {
		t.Fatal(err)
	}
	stock, _ := first.Topic(topic)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	wider := objects()
	wider[0].Fields = append(wider[0].Fields, &schema.Field{Name: "Site__c", Type: schema.TypeString})
	second, err := bus.Open(t.Context(), bus.Config{Objects: wider, Clock: c, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	got, _, err := second.Read(nil, topic, events[0].Position, 10, 1<<20)
	if err != nil || len(got) != 2 || string(got[0].Payload) != "two" || got[0].ID != events[1].ID || got[0].Headers[0].Key != "k" || len(got[1].Payload) != 0 {
		t.Fatalf("after the restart: %v, %v", got, err)
	}
	if err := second.Resolve(topic, idle); err != nil {
		t.Errorf("a keep-alive's position after the restart: %v", err)
	}
	if e := appendTo(t, second, "four")[0]; e.Position <= idle {
		t.Errorf("position %d is not after %d", e.Position, idle)
	}
	if m, err := second.Managed("Stock"); err != nil || m.Committed != events[0].Position || m.ID != managed.ID {
		t.Errorf("managed subscription after the restart: %+v, %v", m, err)
	}
	if text, ok := second.Schema(stock.Schema.ID); !ok || text != stock.Schema.JSON {
		t.Error("the old schema is gone")
	}
	if now, _ := second.Topic(topic); now.Schema.ID == stock.Schema.ID {
		t.Error("the wider object has the old schema")
	}
}

func TestBus_ANewOrgRefusesThePositionsOfAnother(t *testing.T) {
	t.Parallel()
	c := clock.New()
	first := openAt(t, "", c)
	position := appendTo(t, first, "x")[0].Position
	c.Advance(time.Second)
	second := openAt(t, "", c)
	appendTo(t, second, "y")
	if err := second.Resolve(topic, position); !errors.Is(err, bus.ErrPositionGone) {
		t.Errorf("another org's position: %v", err)
	}
}

func TestBus_EventIDIsTheDraftsUUIDOrItsOwn(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	const given = "2ec0e371-1395-457f-9275-be1b527a72f7"
	events, err := b.Append(topic, bus.Draft{ID: given}, bus.Draft{ID: "mine"}, bus.Draft{ID: "{" + given + "}"})
	if err != nil {
		t.Fatal(err)
	}
	if events[0].ID != given {
		t.Errorf("id %s, want the given one", events[0].ID)
	}
	for _, e := range events[1:] {
		if uuid.Validate(e.ID) != nil || e.ID == given {
			t.Errorf("id %s is not a UUID of its own", e.ID)
		}
	}
}

func TestDeclareManaged_RefusesNonsense(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	for _, s := range []bus.ManagedSubscription{
		{Topic: topic},
		{DeveloperName: "A", Topic: "/event/None__e"},
		{DeveloperName: "A", Topic: topic, DefaultReplay: "CUSTOM"},
		{DeveloperName: "A", Topic: topic, State: "PAUSED"},
	} {
		if _, err := b.DeclareManaged(s); err == nil {
			t.Errorf("%+v was declared", s)
		}
	}
	if _, err := b.Managed("A"); !errors.Is(err, bus.ErrNoSubscription) {
		t.Errorf("Managed: %v", err)
	}
}

func FuzzParseReplayID(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0x17, 0x90, 0x50, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 0, 0x17, 0x90, 0x50})
	f.Add([]byte{})
	f.Add([]byte("0123456789"))
	f.Fuzz(func(t *testing.T, id []byte) {
		p, err := bus.ParseReplayID(id)
		if err != nil {
			return
		}
		again := p.ReplayID()
		if len(again) != bus.ReplayIDSize || string(again[:8]) != string(id[:8]) {
			t.Errorf("%x came back as %x", id, again)
		}
	})
}

// BenchmarkAppend_File publishes 1 KB events one by one into a bus with a file.
func BenchmarkAppend_File(b *testing.B) {
	events, _ := open(b, filepath.Join(b.TempDir(), "events.db"))
	draft := bus.Draft{Payload: make([]byte, 1015)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Append(topic, draft); err != nil {
			b.Fatal(err)
		}
	}
}
