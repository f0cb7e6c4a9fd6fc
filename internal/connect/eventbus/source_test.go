package eventbus_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

var at = time.UnixMilli(1787250700517).UTC()

func TestStream_PlatformEvents(t *testing.T) {
	t.Parallel()
	given := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b := &bus{subscribe: sends(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{
		consumerEvent("2ec0e371-1395-457f-9275-be1b527a72f7", "order", "r1", order(t, "A-17")),
		consumerEvent("3ec0e371-1395-457f-9275-be1b527a72f7", "order", "r2", order(t, nil), &pubsubpb.EventHeader{Key: "TraceParent", Value: []byte(given)}),
	}})}
	stream := open(t, source(t, b, "/event/Order__e", eventbus.Config{KeyField: "Sku__c"}), event.Start{Earliest: true})
	batch := next(t, stream)
	want := []event.Event{{
		ID: "2ec0e371-1395-457f-9275-be1b527a72f7", Source: "salesforce/" + orgID + "/event/Order__e", Type: "com.salesforce.event.Order__e",
		Time: at, Key: "A-17", OrgID: orgID,
		Data: []byte(`{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005x","Sku__c":"A-17"}`),
	}, {
		ID: "3ec0e371-1395-457f-9275-be1b527a72f7", Source: "salesforce/" + orgID + "/event/Order__e", Type: "com.salesforce.event.Order__e",
		Time: at, OrgID: orgID, TraceParent: given,
		Data: []byte(`{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005x","Sku__c":null}`),
	}}
	derived := batch.Events[0].TraceParent
	want[0].TraceParent = derived
	if diff := cmp.Diff(want, batch.Events); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(derived, "00-2ec0e3711395457f9275be1b527a72f7-") || len(derived) != 55 || !strings.HasSuffix(derived, "-01") {
		t.Errorf("derived traceparent = %q", derived)
	}
	if string(batch.Position) != "r2" || batch.Received.IsZero() {
		t.Errorf("position %q, received %v", batch.Position, batch.Received)
	}
}

func TestStream_ChangeEvents(t *testing.T) {
	t.Parallel()
	const id = "0015e00000AbCdEAAV"
	none := []string{}
	b := &bus{subscribe: sends(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{
		consumerEvent("u1", "account", "r1", account(t, "CREATE", []string{id}, none, "Acme", "005a")),
		consumerEvent("u2", "account", "r2", account(t, "UPDATE", []string{id, "0015e00000AbCdFAAV"}, []string{"0x02"}, "Acme 2", nil)),
		consumerEvent("u3", "account", "r3", account(t, "DELETE", []string{id}, none, nil, nil)),
		consumerEvent("u4", "account", "r4", account(t, "GAP_UPDATE", []string{id}, none, nil, nil)),
		consumerEvent("u5", "account", "r5", account(t, "GAP_OVERFLOW", []string{"000000000000000AAA"}, none, nil, nil)),
	}})}
	stream := open(t, source(t, b, "/data/ChangeEvents", eventbus.Config{KeyField: "OwnerId"}), event.Start{})
	got := next(t, stream).Events
	type attributes struct{ ID, Type, Subject, Key, Fields string }
	var have []attributes
	for _, e := range got {
		_, fields, _ := strings.Cut(string(e.Data), `"fields":`)
		have = append(have, attributes{e.ID, e.Type, e.Subject, e.Key, fields})
		if !json.Valid(e.Data) || !e.Time.Equal(at) || e.Source != "salesforce/"+orgID+"/data/ChangeEvents" {
			t.Errorf("event %+v with %s", e, e.Data)
		}
	}
	want := []attributes{
		{"u1", "com.salesforce.change.Account.create", id, "005a", `{"Name":"Acme","OwnerId":"005a"}}`},
		{"u2/" + id, "com.salesforce.change.Account.update", id, id, `{"Name":"Acme 2"}}`},
		{"u2/0015e00000AbCdFAAV", "com.salesforce.change.Account.update", "0015e00000AbCdFAAV", "0015e00000AbCdFAAV", `{"Name":"Acme 2"}}`},
		{"u3", "com.salesforce.change.Account.delete", id, id, `{}}`},
		{"u4", "com.salesforce.change.Account.gap-update", id, id, `{}}`},
		{"u5", "com.salesforce.change.Account.gap-overflow", "", "", `{}}`},
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if b.asked("account") != 1 {
		t.Errorf("the schema was asked for %d times", b.asked("account"))
	}
}

// Events of several records are handed over in bounded batches. The place after an
// event is told with its last record, and never between two events of one place.
func TestStream_SplitsInBoundedBatches(t *testing.T) {
	t.Parallel()
	records := make([]string, 60)
	for i := range records {
		records[i] = fmt.Sprintf("0015e00000%05dAAA", i)
	}
	large := strings.Repeat("x", 400_000)
	b := &bus{subscribe: sends(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{
		consumerEvent("u1", "account", "r1", account(t, "CREATE", records[:1], nil, "small", nil)),
		consumerEvent("u2", "account", "r2", account(t, "CREATE", records, nil, large, nil)),
		consumerEvent("u3", "account", "r2", account(t, "CREATE", records[:1], nil, "of the same place", nil)),
		consumerEvent("u4", "account", "r4", account(t, "DELETE", records[:2], nil, nil, nil)),
	}})}
	stream := open(t, source(t, b, "/data/AccountChangeEvent", eventbus.Config{}), event.Start{})
	var ids, places []string
	batches := 0
	for len(ids) < 1+60+1+2 {
		batch := next(t, stream)
		batches++
		size := 0
		for i, e := range batch.Events {
			size += len(e.Data)
			ids, places = append(ids, e.ID), append(places, string(batch.Positions[i]))
			if batch.Positions[i] != nil && i > 0 && batch.Position == nil {
				t.Error("a batch with a place in it has none")
			}
		}
		if size > 9<<20 {
			t.Errorf("a batch of %d bytes", size)
		}
	}
	if want := "u2/" + records[59]; batches < 3 || ids[60] != want || ids[63] != "u4/"+records[1] {
		t.Errorf("%d batches, event 60 is %s, want %s", batches, ids[60], want)
	}
	for i, place := range places {
		if want := map[int]string{0: "r1", 61: "r2", 63: "r4"}[i]; place != want {
			t.Errorf("after event %d the place is %q, want %q", i, place, want)
		}
	}
}

func TestStream_QuietTopicGivesPositions(t *testing.T) {
	t.Parallel()
	b := &bus{subscribe: sends(&pubsubpb.FetchResponse{}, &pubsubpb.FetchResponse{LatestReplayId: []byte("r7"), PendingNumRequested: 100})}
	batch := next(t, open(t, source(t, b, "/event/Order__e", eventbus.Config{}), event.Start{}))
	if len(batch.Events) != 0 || string(batch.Position) != "r7" {
		t.Errorf("Next() = %+v", batch)
	}
}

// One poisoned payload, one schema that cannot be read and one that does not
// exist: each leaves as an event of its own type, between good ones.
func TestStream_UndecodablePayloadsAreNeitherDroppedNorFatal(t *testing.T) {
	t.Parallel()
	poison := []byte{0xff, 0xff}
	b := &bus{
		subscribe: sends(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{
			consumerEvent("u1", "order", "r1", order(t, "A")),
			consumerEvent("u2", "order", "r2", poison),
			consumerEvent("u3", "broken", "r3", poison),
			consumerEvent("u4", "absent", "r4", poison),
			consumerEvent("u5", "absent", "r5", poison),
			consumerEvent("u6", "order", "r6", order(t, "B")),
		}}),
		schema: func(id string) (string, error) {
			switch id {
			case "order":
				return orderSchema, nil
			case "broken":
				return "{", nil
			}
			return "", status.Error(codes.NotFound, "no such schema")
		},
	}
	stream := open(t, source(t, b, "/event/Order__e", eventbus.Config{SchemaWait: time.Millisecond, KeyField: "Sku__c"}), event.Start{})
	batch := next(t, stream)
	if len(batch.Events) != 6 || string(batch.Position) != "r6" {
		t.Fatalf("Next() = %+v", batch)
	}
	for i, schema := range []string{1: "order", 2: "broken", 3: "absent", 4: "absent"} {
		if schema == "" {
			continue
		}
		e := batch.Events[i]
		var data struct {
			SchemaID string `json:"schema_id"`
			Payload  string `json:"payload_base64"`
			Error    string `json:"error"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(data.Payload)
		if e.Type != event.TypeUndecodable || e.ID == "" || data.SchemaID != schema || string(raw) != string(poison) || err != nil || data.Error == "" {
			t.Errorf("event %d = %+v with %s", i, e, e.Data)
		}
	}
	if batch.Events[0].Key != "A" || batch.Events[5].Key != "B" || string(batch.Events[5].Data) != `{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005x","Sku__c":"B"}` {
		t.Errorf("the last event suffered: %+v with %s", batch.Events[5], batch.Events[5].Data)
	}
	if n := b.asked("absent"); n != 3 {
		t.Errorf("the absent schema was asked for %d times, want 3 for both events", n)
	}
}

// A schema that cannot be had for now must not condemn its events.
func TestStream_EndsWhenASchemaCannotBeHadForNow(t *testing.T) {
	t.Parallel()
	b := &bus{
		subscribe: sends(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{consumerEvent("u1", "order", "r1", order(t, "A"))}}),
		schema:    func(string) (string, error) { return "", status.Error(codes.Unavailable, "try again") },
	}
	stream := open(t, source(t, b, "/event/Order__e", eventbus.Config{}), event.Start{})
	if batch, err := stream.Next(t.Context()); err == nil || event.HealingOf(err) != event.Transient {
		t.Errorf("Next() = %+v, %v", batch, err)
	}
}

func TestStream_RefusedPositionAndResumption(t *testing.T) {
	t.Parallel()
	b := &bus{subscribe: func(stream subscribeStream) error {
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		if string(first.GetReplayId()) == "old" {
			stream.SetTrailer(metadata.Pairs("error-code", salesforce.CodeReplayIDCorrupted))
			return status.Error(codes.InvalidArgument, "corrupted")
		}
		return sends(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{consumerEvent("", "order", string(first.GetReplayId())+"+1", order(t, "A"))}})(stream)
	}}
	s := source(t, b, "/event/Order__e", eventbus.Config{})
	if _, err := open(t, s, event.Start{After: event.Position("old")}).Next(t.Context()); !errors.Is(err, event.ErrPositionRefused) {
		t.Errorf("Next() = %v", err)
	}
	batch := next(t, open(t, s, event.Start{After: event.Position("new")}))
	if string(batch.Position) != "new+1" || batch.Events[0].ID != "replay-6e65772b31" {
		t.Errorf("Next() = %+v", batch)
	}
}

func TestStream_EventsSurviveTheNextBatch(t *testing.T) {
	t.Parallel()
	b := &bus{subscribe: sends(
		&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{consumerEvent("u1", "order", "r1", order(t, "first")), consumerEvent("u2", "order", "r2", order(t, "second"))}},
		&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{consumerEvent("u3", "order", "r3", order(t, "other")), consumerEvent("u4", "order", "r4", order(t, "values"))}},
	)}
	stream := open(t, source(t, b, "/event/Order__e", eventbus.Config{KeyField: "Sku__c"}), event.Start{})
	first := next(t, stream).Events
	copied := make([]event.Event, len(first))
	for i, e := range first {
		copied[i] = e
		copied[i].Data = append([]byte(nil), e.Data...)
		copied[i].Key = strings.Clone(e.Key)
	}
	next(t, stream)
	if diff := cmp.Diff(copied, first); diff != "" {
		t.Error(diff)
	}
	// Appending to one event's data must not reach into the next one's.
	_ = append(first[0].Data, "overwritten"...)
	if diff := cmp.Diff(copied, first, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestOpen_ContextBoundsTheOpeningOnly(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	b := &bus{subscribe: func(stream subscribeStream) error {
		<-release
		return sends(&pubsubpb.FetchResponse{LatestReplayId: []byte("r1")})(stream)
	}}
	s := source(t, b, "/event/Order__e", eventbus.Config{})
	ctx, cancel := contextWithCancel(t)
	stream, err := s.Open(ctx, event.Start{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	close(release)
	if batch := next(t, stream); string(batch.Position) != "r1" {
		t.Errorf("Next() = %+v", batch)
	}
	if err := errors.Join(stream.Close(), stream.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(ctx, event.Start{}); err == nil {
		t.Error("Open with an ended context succeeded")
	}
}
