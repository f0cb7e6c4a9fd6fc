package pubsubapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/pubsubapi"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

const (
	codeCorrupted = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted"
	codeNoReplay  = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed"
	codeNoCredit  = "sfdc.platform.eventbus.grpc.subscription.fetch.requested.events.invalid"
	codeAuth      = "sfdc.platform.eventbus.grpc.service.auth.error"
	codeDown      = "sfdc.platform.eventbus.grpc.service.unavailable"
)

func TestSubscribe_CreditAddsUpAndIsCappedAt100(t *testing.T) {
	t.Parallel()
	o := start(t)
	ids := o.publish(t, 260)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(5))
	r := s.next(t)
	if len(r.GetEvents()) != 5 || r.GetPendingNumRequested() != 0 || r.GetRpcId() == "" {
		t.Fatalf("%d events, %d pending, rpc %q", len(r.GetEvents()), r.GetPendingNumRequested(), r.GetRpcId())
	}
	if !bytes.Equal(r.GetLatestReplayId(), r.GetEvents()[4].GetReplayId()) {
		t.Error("latest_replay_id is not that of the last event")
	}
	// Far more than the cap, and a topic left out, are both fine on a later request.
	s.ask(t, &pubsubpb.FetchRequest{NumRequested: 100_000})
	got, _ := s.take(t, 100)
	if !equalIDs(got, ids[5:105]) {
		t.Error("events 5 to 105 came in another order")
	}
	o.clock.Advance(time.Minute)
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a minute without credit: %v, want the end of the stream", err)
	}
}

func TestSubscribe_LaterPresetsOnlyAddCredit(t *testing.T) {
	t.Parallel()
	o := start(t)
	ids := o.publish(t, 8)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(2))
	s.ask(t, &pubsubpb.FetchRequest{TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_LATEST, NumRequested: 3})
	s.ask(t, &pubsubpb.FetchRequest{TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: []byte("nonsense"), NumRequested: 3})
	if got, _ := s.take(t, 8); !equalIDs(got, ids) {
		t.Error("a later preset moved the stream")
	}
}

func TestSubscribe_CustomIsStrictlyAfter(t *testing.T) {
	t.Parallel()
	o := start(t)
	ids := o.publish(t, 6)
	c, ctx := o.client(t)
	_, third := subscribe(t, c, ctx, earliest(3)).take(t, 3)
	for name, replayID := range map[string][]byte{"10 bytes": third, "8 bytes": third[:8]} {
		got, _ := subscribe(t, c, ctx, after(replayID, 3)).take(t, 3)
		if !equalIDs(got, ids[3:]) {
			t.Errorf("%s: got %v, want %v", name, got, ids[3:])
		}
	}
	if len(third) != 10 || third[8] != 0 || third[9] != 0 {
		t.Errorf("replay id %x is not a counter and two zero bytes", third)
	}
}

func TestSubscribe_ReplayIDsGrowWithHoles(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, 100)
	c, ctx := o.client(t)
	var positions []bus.Position
	s := subscribe(t, c, ctx, earliest(100))
	for len(positions) < 100 {
		for _, e := range s.next(t).GetEvents() {
			p, err := bus.ParseReplayID(e.GetReplayId())
			if err != nil {
				t.Fatal(err)
			}
			positions = append(positions, p)
		}
	}
	holes := 0
	for i := 1; i < len(positions); i++ {
		if positions[i] <= positions[i-1] {
			t.Fatalf("position %d does not follow %d", positions[i], positions[i-1])
		}
		if positions[i] != positions[i-1]+1 {
			holes++
		}
	}
	if holes == 0 {
		t.Error("100 positions without a hole: a client could count on the next number")
	}
}

func TestSubscribe_RefusesABadFirstRequest(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, 1)
	c, ctx := o.client(t)
	_, good := subscribe(t, c, ctx, earliest(1)).take(t, 1)
	unknown := bytes.Clone(good)
	unknown[7]++
	for name, r := range map[string]struct {
		request   *pubsubpb.FetchRequest
		code      codes.Code
		errorCode string
	}{
		"no credit":         {earliest(0), codes.InvalidArgument, codeNoCredit},
		"negative credit":   {earliest(-1), codes.InvalidArgument, codeNoCredit},
		"custom without id": {after(nil, 1), codes.InvalidArgument, codeNoReplay},
		"garbage id":        {after([]byte("garbage"), 1), codes.InvalidArgument, codeCorrupted},
		"unknown id":        {after(unknown, 1), codes.InvalidArgument, codeCorrupted},
		"unknown topic":     {&pubsubpb.FetchRequest{TopicName: "/event/stock_low__e", NumRequested: 1}, codes.NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			subscribe(t, c, ctx, r.request).wantEnd(t, r.code, r.errorCode)
		})
	}
}

func TestSubscribe_TopicCannotChange(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(1))
	s.ask(t, &pubsubpb.FetchRequest{TopicName: bus.ChangeEvents, NumRequested: 1})
	s.wantEnd(t, codes.InvalidArgument, "")
}

func TestSubscribe_KeepAliveCarriesAFreshPosition(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, 1)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, &pubsubpb.FetchRequest{TopicName: topic, NumRequested: 10}) // LATEST
	o.begun(t, 1)
	var fresh []byte
	for range 2 {
		o.clock.Advance(time.Minute)
		r := s.next(t)
		if len(r.GetEvents()) != 0 || r.GetPendingNumRequested() != 10 {
			t.Fatalf("keep-alive with %d events and %d pending", len(r.GetEvents()), r.GetPendingNumRequested())
		}
		if bytes.Compare(r.GetLatestReplayId(), fresh) <= 0 {
			t.Errorf("position %x is not fresher than %x", r.GetLatestReplayId(), fresh)
		}
		fresh = r.GetLatestReplayId()
	}
	ids := o.publish(t, 2)
	if got, _ := s.take(t, 2); !equalIDs(got, ids) {
		t.Errorf("got %v, want the two new events", got)
	}
	// A keep-alive's position is as good as an event's.
	if got, _ := subscribe(t, c, ctx, after(fresh, 2)).take(t, 2); !equalIDs(got, ids) {
		t.Errorf("after the keep-alive: %v", got)
	}
}

func TestSubscribe_PositionsAgeOut(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, 3)
	c, ctx := o.client(t)
	_, old := subscribe(t, c, ctx, earliest(3)).take(t, 3)
	o.clock.Advance(71 * time.Hour)
	young := o.publish(t, 1)
	if got, _ := subscribe(t, c, ctx, after(old, 1)).take(t, 1); !equalIDs(got, young) {
		t.Errorf("after 71 h: %v", got)
	}
	o.clock.Advance(2 * time.Hour)
	subscribe(t, c, ctx, after(old, 1)).wantEnd(t, codes.InvalidArgument, codeCorrupted)
	if got, _ := subscribe(t, c, ctx, earliest(1)).take(t, 1); !equalIDs(got, young) {
		t.Errorf("earliest after 73 h: %v, want the one event retained", got)
	}
}

func TestSubscribe_BatchStaysUnder3MB(t *testing.T) {
	t.Parallel()
	o := start(t)
	info, _ := o.bus.Topic(topic)
	for range 5 {
		if _, err := o.bus.Append(topic, bus.Draft{SchemaID: info.Schema.ID, Payload: make([]byte, 900<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(5))
	first := s.next(t)
	if n := len(first.GetEvents()); n != 3 || first.GetPendingNumRequested() != 2 {
		t.Errorf("first response has %d events and %d pending, want 3 and 2", n, first.GetPendingNumRequested())
	}
	s.take(t, 2)
}

func TestSubscribe_CreditTimeoutIsConfigurable(t *testing.T) {
	t.Parallel()
	o := start(t, func(c *pubsubapi.Config) { c.CreditTimeout = 70 * time.Second })
	o.publish(t, 2)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(1))
	s.take(t, 1)
	o.clock.Advance(69 * time.Second)
	s.ask(t, earliest(1)) // one second before the end
	s.take(t, 1)
	o.clock.Advance(70 * time.Second)
	s.wantEnd(t, codes.Unknown, "") // io.EOF has no status
}

func TestCalls_NeedAFittingTriple(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, _ := o.client(t)
	session, err := o.sessions.Login("u@x")
	if err != nil {
		t.Fatal(err)
	}
	const instance = "https://127.0.0.1:8080"
	for name, ctx := range map[string]context.Context{
		"nothing":            t.Context(),
		"bad token":          withMetadata(t.Context(), orgID[:15]+"!AQ4AQ", instance, orgID),
		"another org":        withMetadata(t.Context(), session.Token, instance, "00D5e000000AbCeEAK"),
		"another instance":   withMetadata(t.Context(), session.Token, "https://login.salesforce.com", orgID),
		"no instance":        withMetadata(t.Context(), session.Token, "", orgID),
		"token with a label": withMetadata(t.Context(), "Bearer "+session.Token, instance, orgID),
	} {
		t.Run(name, func(t *testing.T) {
			s := subscribe(t, c, ctx, earliest(1))
			s.wantEnd(t, codes.Unauthenticated, codeAuth)
		})
	}
	if _, err := c.GetTopic(withMetadata(t.Context(), session.Token, instance, orgID[:15]), &pubsubpb.TopicRequest{TopicName: topic}); err != nil {
		t.Errorf("the 15-character tenant id: %v", err)
	}
}

func TestSubscribe_RevokedTokenEndsTheStreamExpiryDoesNot(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(10))
	o.begun(t, 1)
	o.clock.Advance(1001 * time.Hour) // past the session's lifetime
	if r := s.next(t); len(r.GetEvents()) != 0 {
		t.Fatalf("want a keep-alive, got %v", r)
	}
	ids := o.publish(t, 1)
	if got, _ := s.take(t, 1); !equalIDs(got, ids) {
		t.Fatal("the expired session's stream is dead")
	}
	o.sessions.RevokeAll()
	s.wantEnd(t, codes.Unauthenticated, codeAuth)
}

func TestGetTopicAndGetSchema(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	info, err := c.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: topic})
	if err != nil || !info.GetCanPublish() || !info.GetCanSubscribe() || len(info.GetSchemaId()) != 22 || info.GetRpcId() == "" {
		t.Fatalf("GetTopic = %v, %v", info, err)
	}
	text, err := c.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: info.GetSchemaId()})
	if err != nil || !strings.Contains(text.GetSchemaJson(), `"name":"Stock_Low__e"`) || text.GetSchemaId() != info.GetSchemaId() {
		t.Fatalf("GetSchema = %v, %v", text, err)
	}
	// The object gets a field: a new schema, and the old one still answers.
	wider := objects()
	wider[0].Fields = append(wider[0].Fields, objects()[0].Fields[0])
	wider[0].Fields[2].Name = "Site__c"
	if err := o.bus.SetObjects(wider); err != nil {
		t.Fatal(err)
	}
	newer, err := c.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: topic})
	if err != nil || newer.GetSchemaId() == info.GetSchemaId() {
		t.Errorf("schema id after a new field: %v, %v", newer, err)
	}
	if old, err := c.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: info.GetSchemaId()}); err != nil || old.GetSchemaJson() != text.GetSchemaJson() {
		t.Errorf("the old schema: %v, %v", old, err)
	}
	changes, err := c.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: "/data/AccountChangeEvent"})
	if err != nil || changes.GetCanPublish() {
		t.Errorf("a change event topic: %v, %v", changes, err)
	}
	if _, err := c.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: "nope"}); err == nil {
		t.Error("an unknown schema id was answered")
	}
}
