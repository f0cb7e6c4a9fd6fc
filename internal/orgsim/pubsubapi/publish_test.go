package pubsubapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/pubsubapi"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func (o *org) event(id string, payload []byte) *pubsubpb.ProducerEvent {
	info, _ := o.bus.Topic(topic)
	return &pubsubpb.ProducerEvent{Id: id, SchemaId: info.Schema.ID, Payload: payload}
}

func TestPublish_ResultsIdsAndHeaders(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	const uuid = "2ec0e371-1395-457f-9275-be1b527a72f7"
	withHeader := o.event(uuid, []byte("garbage is taken"))
	withHeader.Headers = []*pubsubpb.EventHeader{{Key: "traceparent", Value: []byte("00-01-02-03")}, {Key: "empty"}}
	response, err := c.Publish(ctx, &pubsubpb.PublishRequest{TopicName: topic, Events: []*pubsubpb.ProducerEvent{
		withHeader, o.event("my-own-7", []byte("x")), o.event("", []byte("y")), o.event("", make([]byte, bus.MaxEvent+1)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	results := response.GetResults()
	if len(results) != 4 || results[0].GetCorrelationKey() != uuid || results[1].GetCorrelationKey() != "my-own-7" || results[2].GetCorrelationKey() == "" {
		t.Fatalf("results %v", results)
	}
	if failed := results[3]; failed.GetError().GetCode() != pubsubpb.ErrorCode_PUBLISH || len(failed.GetReplayId()) != 0 {
		t.Errorf("the event of more than 1 MB: %v", failed)
	}
	r := subscribe(t, c, ctx, earliest(10)).next(t)
	if len(r.GetEvents()) != 3 {
		t.Fatalf("%d events arrived, want 3", len(r.GetEvents()))
	}
	for i, e := range r.GetEvents() {
		if !bytes.Equal(e.GetReplayId(), results[i].GetReplayId()) {
			t.Errorf("event %d has replay id %x, its publisher was told %x", i, e.GetReplayId(), results[i].GetReplayId())
		}
	}
	got := r.GetEvents()[0].GetEvent()
	if got.GetId() != uuid || string(got.GetPayload()) != "garbage is taken" || len(got.GetHeaders()) != 2 ||
		got.GetHeaders()[0].GetKey() != "traceparent" || string(got.GetHeaders()[0].GetValue()) != "00-01-02-03" {
		t.Errorf("delivered %v", got)
	}
	if id := r.GetEvents()[1].GetEvent().GetId(); id == "my-own-7" || len(id) != 36 {
		t.Errorf("an id that is no UUID became the event's: %q", id)
	}
	if id := r.GetEvents()[2].GetEvent().GetId(); id != results[2].GetCorrelationKey() {
		t.Errorf("event id %q, correlation key %q", id, results[2].GetCorrelationKey())
	}
}

func TestPublish_StrictOrgRefusesGarbage(t *testing.T) {
	t.Parallel()
	o := start(t, func(c *pubsubapi.Config) { c.CheckPayloads = true })
	c, ctx := o.client(t)
	info, _ := o.bus.Topic(topic)
	good, err := info.Schema.AppendEvent(nil, time.Now(), "005Dp000000PpjsIAC", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Publish(ctx, &pubsubpb.PublishRequest{
		TopicName: topic, Events: []*pubsubpb.ProducerEvent{o.event("", []byte("garbage")), o.event("", good)},
	})
	if err != nil || response.GetResults()[0].GetError() == nil || response.GetResults()[1].GetError() != nil {
		t.Errorf("%v, %v", response, err)
	}
}

func TestPublish_RefusesWhatCannotBePublishedTo(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	for name, want := range map[string]codes.Code{
		"/data/AccountChangeEvent": codes.PermissionDenied, bus.ChangeEvents: codes.PermissionDenied, "/event/None__e": codes.NotFound,
	} {
		if _, err := c.Publish(ctx, &pubsubpb.PublishRequest{TopicName: name, Events: []*pubsubpb.ProducerEvent{o.event("", nil)}}); status.Code(err) != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := c.Publish(ctx, &pubsubpb.PublishRequest{
		TopicName: topic, Events: []*pubsubpb.ProducerEvent{o.event("", make([]byte, 5<<20))},
	}); err == nil {
		t.Error("a request of more than 4 MB succeeded")
	}
}

func TestPublishStream_PipelinesAndEndsWhenIdle(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	stream, err := c.PublishStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		name := topic
		if i > 0 {
			name = ""
		}
		if err := stream.Send(&pubsubpb.PublishRequest{TopicName: name, Events: []*pubsubpb.ProducerEvent{o.event("", []byte{byte(i)})}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		r, err := stream.Recv()
		if err != nil || len(r.GetResults()) != 1 || len(r.GetResults()[0].GetReplayId()) != 10 {
			t.Fatalf("answer %d: %v, %v", i, r, err)
		}
	}
	o.clock.Advance(69 * time.Second)
	// Advance has fired nothing yet, and a request starts the wait anew.
	if err := stream.Send(&pubsubpb.PublishRequest{Events: []*pubsubpb.ProducerEvent{o.event("", []byte{9})}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	o.clock.Advance(70 * time.Second)
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("70 s of silence: %v, want the end", err)
	}
	if got := len(o.bus.Published(topic)); got != 4 {
		t.Errorf("%d events on the bus, want 4", got)
	}
}

// A publisher that dies must not leave a call behind: Stop waits for all of them.
func TestPublishStream_EndsWithTheClient(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	ctx, die := context.WithCancel(ctx)
	defer die()
	for range 16 { // the call's end races its reader's
		stream, err := c.PublishStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&pubsubpb.PublishRequest{TopicName: topic, Events: []*pubsubpb.ProducerEvent{o.event("", nil)}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	die()
	stopped := make(chan struct{})
	go func() { o.server.Stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		o.clock.Advance(70 * time.Second) // lets the calls go, so that the test can end
		t.Error("Stop still waits for the calls of a client that is gone")
	}
}

func TestManagedSubscribe_ResumesAfterTheCommit(t *testing.T) {
	t.Parallel()
	o := start(t)
	s, err := o.bus.DeclareManaged(bus.ManagedSubscription{DeveloperName: "Stock", Topic: topic, DefaultReplay: bus.ReplayEarliest})
	if err != nil {
		t.Fatal(err)
	}
	ids := o.publish(t, 4)
	c, ctx := o.client(t)
	managed := func(first *pubsubpb.ManagedFetchRequest) func() *pubsubpb.ManagedFetchResponse {
		stream, err := c.ManagedSubscribe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(first); err != nil {
			t.Fatal(err)
		}
		return func() *pubsubpb.ManagedFetchResponse {
			r, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if len(r.GetEvents()) == 2 { // commit the first of the two, and go
				commit := &pubsubpb.CommitReplayRequest{CommitRequestId: "c1", ReplayId: r.GetEvents()[0].GetReplayId()}
				if err := stream.Send(&pubsubpb.ManagedFetchRequest{CommitReplayIdRequest: commit}); err != nil {
					t.Fatal(err)
				}
			}
			if r.GetCommitResponse() != nil {
				if err := stream.CloseSend(); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
					t.Fatalf("after closing: %v", err)
				}
			}
			return r
		}
	}
	next := managed(&pubsubpb.ManagedFetchRequest{DeveloperName: "Stock", NumRequested: 2})
	if r := next(); r.GetEvents()[0].GetEvent().GetId() != ids[0] {
		t.Fatalf("a new subscription with EARLIEST starts with %v", r)
	}
	second, err := c.ManagedSubscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Send(&pubsubpb.ManagedFetchRequest{SubscriptionId: string(s.ID), NumRequested: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Recv(); status.Code(err) != codes.AlreadyExists {
		t.Errorf("a second client: %v", err)
	}
	answer := next()
	if commit := answer.GetCommitResponse(); commit.GetCommitRequestId() != "c1" || commit.GetError() != nil || commit.GetProcessTime() == 0 {
		t.Fatalf("commit answered with %v", answer)
	}
	if len(answer.GetLatestReplayId()) != bus.ReplayIDSize { // clients decode it in every response
		t.Errorf("the answer to a commit has latest replay id %x", answer.GetLatestReplayId())
	}
	next = managed(&pubsubpb.ManagedFetchRequest{SubscriptionId: s.ID.Short(), NumRequested: 3})
	if r := next(); len(r.GetEvents()) != 3 || r.GetEvents()[0].GetEvent().GetId() != ids[1] {
		t.Errorf("after the commit came %v", r)
	}
}

func TestManagedSubscribe_BadCommitIsAnsweredAndStoppedIsRefused(t *testing.T) {
	t.Parallel()
	o := start(t)
	declare := func(state string) {
		if _, err := o.bus.DeclareManaged(bus.ManagedSubscription{DeveloperName: "Stock", Topic: topic, State: state}); err != nil {
			t.Fatal(err)
		}
	}
	declare(bus.StateRun)
	c, ctx := o.client(t)
	stream, err := c.ManagedSubscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bad := &pubsubpb.CommitReplayRequest{CommitRequestId: "c2", ReplayId: []byte("12345678")}
	if err := stream.Send(&pubsubpb.ManagedFetchRequest{DeveloperName: "Stock", CommitReplayIdRequest: bad}); err != nil {
		t.Fatal(err)
	}
	if r, err := stream.Recv(); err != nil || r.GetCommitResponse().GetError().GetCode() != pubsubpb.ErrorCode_COMMIT {
		t.Errorf("%v, %v", r, err)
	}
	declare(bus.StateStop)
	stopped, err := c.ManagedSubscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stopped.Send(&pubsubpb.ManagedFetchRequest{DeveloperName: "Stock", NumRequested: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := stopped.Recv(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a stopped subscription: %v", err)
	}
}
