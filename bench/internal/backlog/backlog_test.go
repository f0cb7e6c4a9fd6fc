package backlog_test

import (
	"testing"

	"github.com/hamba/avro/v2"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func TestPayload_IsAvroOfTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := avro.Parse(backlog.SchemaJSON())
	if err != nil {
		t.Fatal(err)
	}
	for n := range backlog.Records {
		p := backlog.Payload(n, backlog.Change(n%2))
		if len(p) != backlog.PayloadSize {
			t.Fatalf("payload %d has %d bytes, want %d", n, len(p), backlog.PayloadSize)
		}
		var v struct {
			Header struct {
				RecordIDs []string `avro:"recordIds"`
			} `avro:"ChangeEventHeader"`
			Description *string `avro:"Description"`
			Notes       *string `avro:"Notes__c"`
		}
		if err := avro.Unmarshal(schema, p, &v); err != nil {
			t.Fatalf("payload %d: %v", n, err)
		}
		if len(v.Header.RecordIDs) != 1 || v.Header.RecordIDs[0] != backlog.RecordID(n) {
			t.Fatalf("payload %d is of records %v, want %s", n, v.Header.RecordIDs, backlog.RecordID(n))
		}
		if v.Description == nil || v.Notes != nil {
			t.Fatalf("payload %d: description %v, notes %v; want a text and null", n, v.Description, v.Notes)
		}
	}
}

func TestStream_EntriesMakeOneResponse(t *testing.T) {
	t.Parallel()
	s, err := backlog.NewStream(7)
	if err != nil {
		t.Fatal(err)
	}
	const from, count = 4090, 20 // goes round the payloads
	var b []byte
	for n := range uint64(count) {
		before := len(b)
		if b = s.AppendEvent(b, from+n); len(b)-before > backlog.EntrySize {
			t.Fatalf("entry has %d bytes, more than the promised %d", len(b)-before, backlog.EntrySize)
		}
	}
	var resp pubsubpb.FetchResponse
	if err := proto.Unmarshal(b, &resp); err != nil {
		t.Fatal(err)
	}
	if len(resp.GetEvents()) != count {
		t.Fatalf("response has %d events, want %d", len(resp.GetEvents()), count)
	}
	for i, e := range resp.GetEvents() {
		want := uint64(from + i) // small
		if n, ok := backlog.NumberOf(e.GetEvent().GetId()); !ok || n != want || e.GetEvent().GetId() != s.ID(want) {
			t.Fatalf("event %d has id %q", want, e.GetEvent().GetId())
		}
		if n := backlog.NumberOfReplay(e.GetReplayId()); n != want {
			t.Fatalf("event %d has replay id of %d", want, n)
		}
		if string(e.GetEvent().GetPayload()) != string(backlog.Payload(int(want%backlog.Records), backlog.Create)) {
			t.Fatalf("event %d has another payload", want)
		}
	}
}
