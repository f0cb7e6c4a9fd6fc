package pubsubapi_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func (o *org) fault(t testing.TB, f fault.Fault) {
	t.Helper()
	if _, err := o.faults.Set(f); err != nil {
		t.Fatal(err)
	}
}

func TestFault_UnavailableEndsOpenStreamsAndRefusesCalls(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(1))
	o.fault(t, fault.Fault{Name: fault.Unavailable})
	s.wantEnd(t, codes.Unavailable, codeDown)
	if _, err := c.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: topic}); status.Code(err) != codes.Unavailable {
		t.Errorf("GetTopic: %v", err)
	}
	o.faults.ClearAll()
	if _, err := c.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: topic}); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

func TestFault_ResetCutsAfterSoManyEvents(t *testing.T) {
	t.Parallel()
	for _, byStatus := range []bool{false, true} {
		o := start(t)
		ids := o.publish(t, 10)
		c, ctx := o.client(t)
		o.fault(t, fault.Fault{Name: fault.ResetMidStream, After: 3, Count: 1, Match: fault.Match{Topic: topic}, Status: byStatus})
		s := subscribe(t, c, ctx, earliest(10))
		var got []string
		var err error
		for err == nil {
			var r *pubsubpb.FetchResponse
			r, err = s.Recv()
			for _, e := range r.GetEvents() {
				got = append(got, e.GetEvent().GetId())
			}
		}
		// A cut connection may lose what was on its way; a status never does.
		if status.Code(err) != codes.Unavailable || len(got) > 3 || byStatus && len(got) != 3 || !equalIDs(got, ids[:len(got)]) {
			t.Errorf("status %v: ended with %v after %d events", byStatus, err, len(got))
		}
		again, _ := subscribe(t, c, ctx, earliest(10)).take(t, 10)
		if !equalIDs(again, ids) {
			t.Error("the stream after the reset is not whole")
		}
	}
}

func TestFault_RevokeTokenMidStream(t *testing.T) {
	t.Parallel()
	o := start(t)
	ids := o.publish(t, 5)
	c, ctx := o.client(t)
	o.fault(t, fault.Fault{Name: fault.RevokeToken, After: 2, Count: 1})
	s := subscribe(t, c, ctx, earliest(5))
	_, last := s.take(t, 2)
	s.wantEnd(t, codes.Unauthenticated, codeAuth)
	subscribe(t, c, ctx, after(last, 3)).wantEnd(t, codes.Unauthenticated, codeAuth) // the token stays dead
	got, _ := subscribe(t, c, o.metadata(t), after(last, 3)).take(t, 3)
	if !equalIDs(got, ids[2:]) {
		t.Errorf("after a new login: %v", got)
	}
}

func TestFault_ReplayIDs(t *testing.T) {
	t.Parallel()
	o := start(t)
	ids := o.publish(t, 5)
	c, ctx := o.client(t)
	_, first := subscribe(t, c, ctx, earliest(1)).take(t, 1)
	o.fault(t, fault.Fault{Name: fault.ReplayIDCorrupted, Count: 1})
	subscribe(t, c, ctx, after(first, 1)).wantEnd(t, codes.InvalidArgument, codeCorrupted)
	if got, _ := subscribe(t, c, ctx, after(first, 4)).take(t, 4); !equalIDs(got, ids[1:]) {
		t.Errorf("after a refusal without loss: %v", got)
	}
	o.fault(t, fault.Fault{Name: fault.ReplayIDExpired, Count: 1, After: 2})
	subscribe(t, c, ctx, after(first, 1)).wantEnd(t, codes.InvalidArgument, codeCorrupted)
	if got, _ := subscribe(t, c, ctx, earliest(2)).take(t, 2); !equalIDs(got, ids[3:]) {
		t.Errorf("after losing two events: %v, want the last two", got)
	}
	subscribe(t, c, ctx, after(first, 1)).wantEnd(t, codes.InvalidArgument, codeCorrupted) // and stays gone
}

func TestFault_DuplicateDelivery(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.fault(t, fault.Fault{Name: fault.DuplicateDelivery, Count: 1})
	ids := o.publish(t, 2)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(3))
	r := s.next(t)
	e := r.GetEvents()
	if len(e) != 3 || e[0].GetEvent().GetId() != ids[0] || e[1].GetEvent().GetId() != ids[0] || e[2].GetEvent().GetId() != ids[1] {
		t.Fatalf("got %v", r)
	}
	if bytes.Equal(e[0].GetReplayId(), e[1].GetReplayId()) || !bytes.Equal(e[0].GetEvent().GetPayload(), e[1].GetEvent().GetPayload()) {
		t.Error("a duplicate has the same payload and another replay id")
	}
	if got := o.bus.Published(topic); !equalIDs(got, ids) {
		t.Errorf("ground truth %v counts the duplicate", got)
	}
}

func TestFault_SilentStreamSendsNothingMore(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(5))
	o.begun(t, 1)
	o.clock.Advance(time.Minute)
	s.next(t) // a keep-alive: the stream works
	o.fault(t, fault.Fault{Name: fault.SilentStream, Count: 1})
	for o.faults.List()[0].Struck == 0 { // taken by the stream, which is the signal
		runtime.Gosched()
	}
	o.publish(t, 1)
	other := subscribe(t, c, ctx, earliest(1)) // a second stream shows that events flow
	other.take(t, 1)
	silent := make(chan error, 1)
	go func() {
		r, err := s.Recv()
		for err == nil && len(r.GetEvents()) == 0 { // keep-alives that were already on their way
			r, err = s.Recv()
		}
		silent <- err
	}()
	o.server.ResetConnections()
	if err := <-silent; status.Code(err) != codes.Unavailable {
		t.Errorf("the silent stream gave %v", err)
	}
}

func TestFault_SlowBytesDelaysAnswersByTheOrgsClock(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	o.fault(t, fault.Fault{Name: fault.SlowBytes, Delay: fault.Duration(time.Hour), Match: fault.Match{Endpoint: "/eventbus.v1.PubSub/GetTopic"}})
	answered := make(chan error, 1)
	go func() {
		_, err := c.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: topic})
		answered <- err
	}()
	for o.clock.Pending() == 0 { // until the server waits
		select {
		case err := <-answered:
			t.Fatalf("answered before its time: %v", err)
		default:
			runtime.Gosched()
		}
	}
	o.clock.Advance(time.Hour)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestServer_ResetConnections(t *testing.T) {
	t.Parallel()
	o := start(t)
	c, ctx := o.client(t)
	s := subscribe(t, c, ctx, earliest(5))
	o.begun(t, 1)
	o.clock.Advance(time.Minute)
	s.next(t)
	if n := o.server.ResetConnections(); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
	s.wantEnd(t, codes.Unavailable, "")
}
