package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// TestClaim_OrderedTakesTheOldestOfAllLanes has one lane with old events and
// many with young ones, wherever those lanes stand among the 256.
func TestClaim_OrderedTakesTheOldestOfAllLanes(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	events := make([]event.Event, 0, 40)
	for i := range 20 {
		events = append(events, event.Event{ID: fmt.Sprintf("old-%02d", i), Key: "busy", Route: "orders"})
	}
	busy := delivery.LaneOf(events[0])
	for i := 0; len(events) < cap(events); i++ {
		e := event.Event{ID: fmt.Sprintf("young-%02d", len(events)), Key: fmt.Sprintf("key %d", i), Route: "orders"}
		if delivery.LaneOf(e) != busy {
			events = append(events, e)
		}
	}
	if err := s.Append(t.Context(), subscription.Append{Subscription: "sub", Events: events}); err != nil {
		t.Fatal(err)
	}
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 12, Run: 8, Ordered: true, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"old-00", "old-01", "old-02", "old-03", "old-04", "old-05", "old-06", "old-07",
		"young-20", "young-21", "young-22", "young-23",
	}
	for i, id := range want {
		if i >= len(claims) || claims[i].Event.ID != id {
			t.Fatalf("claimed %v, want %v", ids(claims), want)
		}
	}
}

func ids(claims []delivery.Claimed) (all []string) {
	for _, c := range claims {
		all = append(all, c.Event.ID)
	}
	return all
}
