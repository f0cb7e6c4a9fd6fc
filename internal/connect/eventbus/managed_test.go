package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/event"
	orgbus "github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func (w *world) managed(t *testing.T, name string) *eventbus.Source {
	t.Helper()
	topic, err := salesforce.ParseTopic(orderTopic)
	if err != nil {
		t.Fatal(err)
	}
	s, err := eventbus.NewSource(eventbus.Config{Topic: topic, Managed: name}, w.bus)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) orders(t *testing.T, n int) (ids []string) {
	t.Helper()
	for i := range n {
		id, err := w.org.Publish("Order_Event__e", map[string]any{"Order_Number__c": fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// committed waits until the org has a position of a managed subscription.
func (w *world) committed(t *testing.T, name string, want event.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := w.org.Bus().Managed(name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(s.Committed.ReplayID(), want) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("committed %v, want %x", s.Committed, []byte(want))
		}
	}
}

// The org keeps the position: what was committed does not come again, what was not
// does, whatever the start says.
func TestOrg_ManagedSubscriptionsGoOnAfterWhatWasCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	_, err := w.org.Bus().DeclareManaged(orgbus.ManagedSubscription{DeveloperName: "Orders", Topic: orderTopic, DefaultReplay: orgbus.ReplayEarliest})
	if err != nil {
		t.Fatal(err)
	}
	all := w.orders(t, 10)
	first, err := w.managed(t, "Orders").Open(t.Context(), event.Start{})
	if err != nil {
		t.Fatal(err)
	}
	got, position := collect(t, first, 10)
	if !slices.Equal(ids(got), all) {
		t.Errorf("read %v, want %v", ids(got), all)
	}
	if err := first.(event.Committer).Commit(position); err != nil {
		t.Fatal(err)
	}
	w.committed(t, "Orders", position)
	more := w.orders(t, 5)
	if got, _ := collect(t, first, 5); !slices.Equal(ids(got), more) { // read and not committed
		t.Errorf("read %v, want %v", ids(got), more)
	}
	// A second client is told to wait, not to give up.
	second, err := w.managed(t, "Orders").Open(t.Context(), event.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Next(t.Context()); err == nil || event.HealingOf(err) != event.Transient || event.HintOf(err) == "" {
		t.Errorf("a second client: %v", err)
	}
	_ = second.Close()
	_ = first.Close()
	again := w.reopen(t, "Orders", len(more))
	if !slices.Equal(again, more) {
		t.Errorf("after a commit of ten: %v, want %v", again, more)
	}
}

// reopen reads n events as soon as the org lets it.
func (w *world) reopen(t *testing.T, name string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		stream, err := w.managed(t, name).Open(ctx, event.Start{Earliest: true})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := stream.Next(ctx)
		var all []string
		for err == nil {
			if all = append(all, ids(batch.Events)...); len(all) >= n {
				break
			}
			batch, err = stream.Next(ctx)
		}
		_ = stream.Close()
		if err == nil {
			return all
		}
		if refusal, ok := salesforce.AsAPIError(err); !ok || refusal.GRPC != "ALREADY_EXISTS" {
			t.Fatal(err)
		}
	}
	return nil
}

// A position that the org does not take ends the stream with what it said.
func TestOrg_ARefusedCommitEndsTheStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	if _, err := w.org.Bus().DeclareManaged(orgbus.ManagedSubscription{DeveloperName: "Orders", Topic: orderTopic}); err != nil {
		t.Fatal(err)
	}
	stream, err := w.managed(t, "Orders").Open(t.Context(), event.Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := stream.(event.Committer).Commit(event.Position("never")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for err == nil {
		_, err = stream.Next(ctx)
	}
	if fault, ok := errors.AsType[*event.Error](err); !ok || fault.Healing != event.Transient || fault.Hint == "" {
		t.Errorf("got %v", err)
	}
	if _, ok := event.Stream(mustOpen(t, w.source(t, orderTopic, ""))).(event.Committer); ok {
		t.Error("a stream whose position we keep takes commits")
	}
}

func mustOpen(t *testing.T, s *eventbus.Source) event.Stream {
	t.Helper()
	stream, err := s.Open(t.Context(), event.Start{Earliest: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}
