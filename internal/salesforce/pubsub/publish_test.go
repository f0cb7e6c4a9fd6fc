package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func outEvents(n, size int) []pubsub.OutEvent {
	out := make([]pubsub.OutEvent, n)
	for i := range out {
		out[i] = pubsub.OutEvent{ID: fmt.Sprintf("e%d", i), Payload: make([]byte, size)}
	}
	return out
}

// accept answers a request with a replay id for each event but those named bad.
func accept(r *pubsubpb.PublishRequest, bad ...string) *pubsubpb.PublishResponse {
	resp := &pubsubpb.PublishResponse{}
	for _, e := range r.GetEvents() {
		result := &pubsubpb.PublishResult{CorrelationKey: e.GetId(), ReplayId: []byte("r" + e.GetId())}
		if slices.Contains(bad, e.GetId()) {
			result = &pubsubpb.PublishResult{CorrelationKey: e.GetId(), Error: &pubsubpb.Error{Code: pubsubpb.ErrorCode_PUBLISH, Msg: "not today"}}
		}
		resp.Results = append(resp.Results, result)
	}
	return resp
}

func TestClient_PublishSplitsByTheLimitsAndReportsEachEvent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		events []pubsub.OutEvent
		want   []int
	}{
		"by count": {outEvents(450, 10), []int{200, 200, 50}},
		"by size":  {outEvents(7, 900<<10), []int{3, 3, 1}},
	} {
		var sizes []int
		s := &script{publish: func(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
			sizes = append(sizes, len(r.GetEvents()))
			if r.GetTopicName() != "/event/Order__e" || r.GetEvents()[0].GetSchemaId() != "s1" {
				return nil, status.Error(codes.InvalidArgument, "wrong topic or schema")
			}
			return accept(r, "e3"), nil
		}}
		c, _ := newClient(t, s, pubsub.Config{})
		results, err := c.Publish(t.Context(), mustTopic(t, "/event/Order__e"), "s1", tc.events)
		if err != nil || !slices.Equal(sizes, tc.want) {
			t.Errorf("%s: requests of %v, %v; want %v", name, sizes, err, tc.want)
		}
		for i, r := range results {
			if bad := i == 3; (r.Err != nil) != bad || r.CorrelationKey != fmt.Sprintf("e%d", i) || bad != r.ReplayID.IsZero() {
				t.Errorf("%s: result %d = %+v", name, i, r)
			}
		}
	}
}

func TestClient_PublishKeepsAnOversizedEventFromTheOthers(t *testing.T) {
	t.Parallel()
	s := &script{publish: func(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
		return accept(r), nil
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	events := outEvents(3, 10)
	events[1].Payload = make([]byte, 1<<20+1)
	results, err := c.Publish(t.Context(), mustTopic(t, "/event/Order__e"), "s1", events)
	if err != nil || results[0].Err != nil || results[2].Err != nil || string(results[2].ReplayID) != "re2" {
		t.Errorf("Publish() = %+v, %v", results, err)
	}
	if e := results[1]; event.HealingOf(e.Err) != event.Permanent || e.CorrelationKey != "e1" {
		t.Errorf("oversized event: %+v", e)
	}
}

func TestClient_PublishSaysWhatMayHaveHappened(t *testing.T) {
	t.Parallel()
	calls := 0
	s := &script{publish: func(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
		if calls++; calls == 2 {
			return nil, status.Error(codes.Unavailable, "reset")
		}
		return accept(r), nil
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	results, err := c.Publish(t.Context(), mustTopic(t, "/event/Order__e"), "s1", outEvents(600, 1))
	if err == nil || calls != 2 {
		t.Fatalf("error %v after %d calls", err, calls)
	}
	for i, want := range map[int]event.Happened{200: event.HappenedUnknown, 399: event.HappenedUnknown, 400: event.HappenedNo, 599: event.HappenedNo} {
		e, ok := errors.AsType[*event.Error](results[i].Err)
		if !ok || e.Happened != want {
			t.Errorf("event %d: %v, want happened %s", i, results[i].Err, want)
		}
	}
	if results[199].Err != nil {
		t.Errorf("event 199: %v", results[199].Err)
	}
}

// The bus answers two requests at once and in another order.
func TestPublisher_MatchesResultsByKey(t *testing.T) {
	t.Parallel()
	s := &script{stream: func(stream publishStream) error {
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		second, err := stream.Recv()
		if err != nil {
			return err
		}
		resp := accept(second)
		resp.Results = append(resp.Results, accept(first).GetResults()...)
		slices.Reverse(resp.GetResults())
		return errors.Join(stream.Send(resp), <-held(stream))
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	p, err := c.PublishStream(t.Context(), mustTopic(t, "/event/Order__e"), "s1")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, prefix := range []string{"a", "b"} {
		wg.Go(func() {
			events := outEvents(3, 4)
			for i := range events {
				events[i].ID = prefix + events[i].ID
			}
			results, err := p.Publish(t.Context(), events)
			if err != nil {
				t.Error(err)
			}
			for i, r := range results {
				if string(r.ReplayID) != "r"+events[i].ID || r.Err != nil {
					t.Errorf("%s: %+v", events[i].ID, r)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := p.Publish(t.Context(), outEvents(1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish() after Close = %v", err)
	}
}

func held(s publishStream) <-chan error {
	out := make(chan error, 1)
	<-s.Context().Done()
	out <- nil
	return out
}

func TestPublisher_AllUnderWayFailWithTheStream(t *testing.T) {
	t.Parallel()
	s := &script{stream: func(stream publishStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "reset")
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	p, err := c.PublishStream(t.Context(), mustTopic(t, "/event/Order__e"), "s1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	_, err = p.Publish(t.Context(), []pubsub.OutEvent{{Payload: []byte("x")}})
	if e, ok := errors.AsType[*event.Error](err); !ok || e.Happened != event.HappenedUnknown || e.Healing != event.Transient {
		t.Errorf("Publish() = %v", err)
	}
}

func TestPublisher_RefusesWhatDoesNotFitOrRepeats(t *testing.T) {
	t.Parallel()
	s := &script{stream: func(stream publishStream) error { return <-held(stream) }}
	c, _ := newClient(t, s, pubsub.Config{})
	p, err := c.PublishStream(t.Context(), mustTopic(t, "/event/Order__e"), "s1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for want, events := range map[string][]pubsub.OutEvent{
		"more than 200": outEvents(201, 1),
		"twice":         {{ID: "x"}, {ID: "x"}},
	} {
		if _, err := p.Publish(t.Context(), events); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Publish() = %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Publish(ctx, outEvents(1, 1))
	if e, ok := errors.AsType[*event.Error](err); !ok || e.Happened != event.HappenedUnknown || !errors.Is(err, context.Canceled) {
		t.Errorf("abandoned Publish() = %v", err)
	}
}
