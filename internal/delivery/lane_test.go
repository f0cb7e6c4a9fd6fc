package delivery_test

import (
	"fmt"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func TestLaneOf_StaysWhatStoresHaveWrittenDown(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{
		"001000000000001AAA": 249,
		"001000000000002AAA": 90,
		"a":                  187,
	} {
		if got := delivery.LaneOf(event.Event{ID: "whatever", Key: key}); got != want {
			t.Errorf("lane of %q is %d, want %d", key, got, want)
		}
	}
}

func TestLaneOf_SpreadsIdsThatDifferInTheLastCharacters(t *testing.T) {
	t.Parallel()
	const events = 256 * 100
	var keyed, unkeyed [delivery.Lanes]int
	for i := range events {
		id := fmt.Sprintf("a0B5g%010dAAA", i)
		keyed[delivery.LaneOf(event.Event{ID: "same", Key: id})]++
		unkeyed[delivery.LaneOf(event.Event{ID: id})]++
	}
	for lane := range delivery.Lanes {
		for name, n := range map[string]int{"keyed": keyed[lane], "unkeyed": unkeyed[lane]} {
			if n < 40 || n > 180 {
				t.Errorf("lane %d holds %d %s events of %d, want about 100", lane, n, name, events)
			}
		}
	}
}
