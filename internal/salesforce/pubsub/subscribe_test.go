package pubsub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func response(pending int32, ids ...int) *pubsubpb.FetchResponse {
	r := &pubsubpb.FetchResponse{PendingNumRequested: pending, LatestReplayId: []byte("latest")}
	for _, id := range ids {
		r.Events = append(r.Events, &pubsubpb.ConsumerEvent{
			ReplayId: fmt.Appendf(nil, "r%d", id),
			Event:    &pubsubpb.ProducerEvent{Id: fmt.Sprintf("uuid%d", id), SchemaId: "s1", Payload: bytes.Repeat([]byte{1}, 10)},
		})
	}
	return r
}

func numbers(from, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = from + i
	}
	return out
}

// hold keeps a scripted stream open until the client ends it.
func hold(s subscribeStream) error {
	<-s.Context().Done()
	return nil
}

func subscribe(t *testing.T, c *pubsub.Client, start pubsub.Start) *pubsub.Subscription {
	t.Helper()
	sub, err := c.Subscribe(t.Context(), mustTopic(t, "/event/Order__e"), start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

func recv(t *testing.T, sub *pubsub.Subscription) pubsub.Response {
	t.Helper()
	r, err := sub.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSubscribe_FirstRequestFixesTopicAndPosition(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		start pubsub.Start
		want  pubsubpb.ReplayPreset
	}{
		"after":    {pubsub.Start{After: []byte("r1"), Earliest: true}, pubsubpb.ReplayPreset_CUSTOM},
		"earliest": {pubsub.Start{Earliest: true}, pubsubpb.ReplayPreset_EARLIEST},
		"tip":      {pubsub.Start{}, pubsubpb.ReplayPreset_LATEST},
	} {
		first := make(chan *pubsubpb.FetchRequest, 1)
		s := &script{subscribe: func(_ int, stream subscribeStream) error {
			r, err := stream.Recv()
			first <- r
			if err != nil {
				return err
			}
			return hold(stream)
		}}
		c, _ := newClient(t, s, pubsub.Config{})
		subscribe(t, c, tc.start)
		r := <-first
		if r.GetTopicName() != "/event/Order__e" || r.GetReplayPreset() != tc.want || r.GetNumRequested() != 100 || !bytes.Equal(r.GetReplayId(), tc.start.After) {
			t.Errorf("%s: first request = %v", name, r)
		}
	}
}

// The server's credit is topped up while the consumer has taken nothing yet.
func TestSubscription_RequestsAheadOfTheConsumer(t *testing.T) {
	t.Parallel()
	toppedUp := make(chan int32, 1)
	s := &script{subscribe: func(_ int, stream subscribeStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if err := stream.Send(response(0, numbers(0, 100)...)); err != nil {
			return err
		}
		more, err := stream.Recv()
		if err != nil {
			return err
		}
		toppedUp <- more.GetNumRequested()
		return hold(stream)
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	sub := subscribe(t, c, pubsub.Start{Earliest: true})
	if n := <-toppedUp; n != 100 {
		t.Errorf("requested %d more", n)
	}
	r := recv(t, sub)
	if len(r.Events) != 100 || r.Events[7].ID != "uuid7" || string(r.Events[7].ReplayID) != "r7" || r.Events[7].SchemaID != "s1" || r.Received.IsZero() {
		t.Errorf("Recv() = %d events, %+v", len(r.Events), r.Events[7])
	}
	if sub.Pending() != 100 {
		t.Errorf("Pending() = %d", sub.Pending())
	}
}

// A consumer that is behind by the whole read-ahead gets no more until it takes.
func TestSubscription_StopsRequestingWhenTheConsumerIsBehind(t *testing.T) {
	t.Parallel()
	requests := make(chan int32, 10)
	s := &script{subscribe: func(_ int, stream subscribeStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if err := errors.Join(stream.Send(response(40, numbers(0, 60)...)), stream.Send(response(10, numbers(60, 30)...))); err != nil {
			return err
		}
		for {
			r, err := stream.Recv()
			if err != nil {
				return nil // the client hung up
			}
			requests <- r.GetNumRequested()
		}
	}}
	c, _ := newClient(t, s, pubsub.Config{ReadAhead: 50})
	sub := subscribe(t, c, pubsub.Start{Earliest: true})
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for sub.Pending() != 10 { // both responses are in
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("Pending() = %d", sub.Pending())
		}
	}
	if r := recv(t, sub); len(r.Events) != 60 {
		t.Errorf("Recv() = %d events", len(r.Events))
	}
	if n := <-requests; n != 90 {
		t.Errorf("requested %d in one go, want 90", n)
	}
}

func TestSubscription_PassesOnKeepAlivePositions(t *testing.T) {
	t.Parallel()
	s := &script{subscribe: func(_ int, stream subscribeStream) error {
		if err := stream.Send(response(100)); err != nil {
			return err
		}
		return hold(stream)
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	before := time.Now()
	sub := subscribe(t, c, pubsub.Start{})
	if r := recv(t, sub); len(r.Events) != 0 || string(r.Latest) != "latest" {
		t.Errorf("Recv() = %+v", r)
	}
	if sub.LastReceived().Before(before) {
		t.Errorf("LastReceived() = %v", sub.LastReceived())
	}
}

// A keep-alive that shows less credit than we count repairs the count.
func TestSubscription_RepairsLostCredit(t *testing.T) {
	t.Parallel()
	requested := make(chan int32, 1)
	s := &script{subscribe: func(_ int, stream subscribeStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if err := stream.Send(response(30)); err != nil {
			return err
		}
		r, err := stream.Recv()
		requested <- r.GetNumRequested()
		if err != nil {
			return err
		}
		return hold(stream)
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	subscribe(t, c, pubsub.Start{})
	if n := <-requested; n != 70 {
		t.Errorf("requested %d, want 70", n)
	}
}

func TestSubscription_RefusedPosition(t *testing.T) {
	t.Parallel()
	for _, code := range []string{salesforce.CodeReplayIDCorrupted, salesforce.CodeReplayIDInvalid} {
		s := &script{subscribe: func(_ int, stream subscribeStream) error {
			return coded(stream.Context(), codes.InvalidArgument, code)
		}}
		c, _ := newClient(t, s, pubsub.Config{})
		_, err := subscribe(t, c, pubsub.Start{After: []byte("old")}).Recv(t.Context())
		refusal, ok := salesforce.AsAPIError(err)
		if !errors.Is(err, event.ErrPositionRefused) || !ok || refusal.Code != code || refusal.RPCID != "1234-abcd" || event.HintOf(err) == "" {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestSubscription_GivesWhatItHasBeforeTheError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end     func(ctx context.Context) error
		healing event.Healing
		text    string
	}{
		"reset":     {func(context.Context) error { return status.Error(codes.Unavailable, "RST_STREAM closed stream") }, event.Transient, "RST_STREAM"},
		"plain end": {func(context.Context) error { return nil }, event.Transient, "ended the stream"},
		"delivery limit": {func(ctx context.Context) error {
			return coded(ctx, codes.ResourceExhausted, salesforce.CodeDeliveryLimitExceeded)
		}, event.Throttled, "limit.exceeded"},
	} {
		s := &script{subscribe: func(_ int, stream subscribeStream) error {
			if err := stream.Send(response(99, 1)); err != nil {
				return err
			}
			return tc.end(stream.Context())
		}}
		c, _ := newClient(t, s, pubsub.Config{})
		sub := subscribe(t, c, pubsub.Start{})
		if r := recv(t, sub); len(r.Events) != 1 {
			t.Errorf("%s: %d events", name, len(r.Events))
		}
		for range 2 { // the error stays
			if _, err := sub.Recv(t.Context()); event.HealingOf(err) != tc.healing || !strings.Contains(fmt.Sprint(err), tc.text) {
				t.Errorf("%s: %v (%s)", name, err, event.HealingOf(err))
			}
		}
	}
}

func TestSubscription_RenewsATokenThatIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := &script{subscribe: func(n int, stream subscribeStream) error {
		if n == 1 {
			return coded(stream.Context(), codes.Unauthenticated, salesforce.CodeBusAuth)
		}
		r, err := stream.Recv()
		if err != nil || string(r.GetReplayId()) != "r9" || tokenOf(stream.Context()) != "token2" {
			return fmt.Errorf("second try: %v, %w", r, err)
		}
		if err := stream.Send(response(99, 10)); err != nil {
			return err
		}
		return hold(stream)
	}}
	c, k := newClient(t, s, pubsub.Config{})
	sub := subscribe(t, c, pubsub.Start{After: []byte("r9")})
	if r := recv(t, sub); len(r.Events) != 1 || k.invalidated() != 1 {
		t.Errorf("%d events, %d tokens invalidated", len(r.Events), k.invalidated())
	}
}

func TestSubscription_TokenRevokedMidStreamIsAnErrorThatPasses(t *testing.T) {
	t.Parallel()
	s := &script{subscribe: func(_ int, stream subscribeStream) error {
		if err := stream.Send(response(99, 1)); err != nil {
			return err
		}
		return coded(stream.Context(), codes.Unauthenticated, salesforce.CodeBusAuth)
	}}
	c, k := newClient(t, s, pubsub.Config{})
	sub := subscribe(t, c, pubsub.Start{})
	recv(t, sub)
	if _, err := sub.Recv(t.Context()); event.HealingOf(err) != event.Transient || k.invalidated() != 1 || s.subscribes != 1 {
		t.Errorf("error %v, %d tokens invalidated, %d streams", err, k.invalidated(), s.subscribes)
	}
}

func TestSubscription_RecvHonoursItsContextAndCloseIsFinal(t *testing.T) {
	t.Parallel()
	s := &script{subscribe: func(_ int, stream subscribeStream) error { return hold(stream) }}
	c, _ := newClient(t, s, pubsub.Config{})
	sub := subscribe(t, c, pubsub.Start{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sub.Recv(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv() = %v", err)
	}
	if err := errors.Join(sub.Close(), sub.Close()); err != nil {
		t.Error(err)
	}
	if _, err := sub.Recv(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv() after Close = %v", err)
	}
}

func TestSubscribe_NobodyThere(t *testing.T) {
	t.Parallel()
	c := dial(t, pubsub.Config{Address: "127.0.0.1:1", Plaintext: true}, &tokens{})
	sub, err := c.Subscribe(t.Context(), mustTopic(t, "/event/Order__e"), pubsub.Start{})
	if err == nil {
		t.Cleanup(func() { _ = sub.Close() })
		_, err = sub.Recv(t.Context())
	}
	if event.HealingOf(err) != event.Transient || err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error = %v", err)
	}
}
