package sqlite

import (
	"fmt"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Every id of a batch is found, few others are; no filter excludes nothing.
func TestIDFilter(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 100, batchEvents} {
		events := make([]newcomer, n)
		for i := range events {
			events[i].ev = &event.Event{ID: fmt.Sprintf("01J%04d-%d", i, n)}
		}
		filter := appendFilter(nil, events)
		for i := range events {
			if !mayHold(filter, sumOf(events[i].ev.ID)) {
				t.Fatalf("%d events: %s is not found", n, events[i].ev.ID)
			}
		}
		wrong := 0
		for i := range 10_000 {
			if mayHold(filter, sumOf(fmt.Sprintf("other-%d", i))) {
				wrong++
			}
		}
		if wrong > 400 {
			t.Errorf("%d events: %d of 10,000 other ids seem to be there", n, wrong)
		}
	}
	if !mayHold(nil, sumOf("any")) {
		t.Error("a batch without a filter is not read")
	}
}
