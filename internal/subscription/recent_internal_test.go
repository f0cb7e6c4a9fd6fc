package subscription

import (
	"fmt"
	"testing"
)

func TestRecent_RemembersTheNewestAndForgetsTheOldest(t *testing.T) {
	t.Parallel()
	r := newRecent(100, []string{"a", "b", "a"})
	if r.add("a") || !r.has("b") || r.has("c") {
		t.Error("seeded ids are not known")
	}
	for i := range 99 {
		if !r.add(fmt.Sprint(i)) {
			t.Errorf("%d was taken for a duplicate", i)
		}
	}
	if r.has("a") || !r.has("b") {
		t.Error("the oldest id, and only that, should have made room")
	}
	for i := range 10_000 {
		r.add(fmt.Sprint(i + 99))
	}
	if len(r.known) != 100 || len(r.ring) != 100 {
		t.Errorf("%d ids and a ring of %d, want 100", len(r.known), len(r.ring))
	}
	for i := 9_999; i < 10_099; i++ {
		if !r.has(fmt.Sprint(i)) {
			t.Errorf("%d of the newest 100 is forgotten", i)
		}
	}
}
