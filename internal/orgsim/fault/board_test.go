package fault_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

func newBoard(t *testing.T) (*fault.Board, *clock.Clock) {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	return fault.NewBoard(c), c
}

func set(t *testing.T, b *fault.Board, f fault.Fault) string {
	t.Helper()
	id, err := b.Set(f)
	if err != nil {
		t.Fatalf("Set(%+v): %v", f, err)
	}
	return id
}

func TestBoard_StrikesOnlyWhatMatchesAndOnlyCountTimes(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	set(t, b, fault.Fault{Name: fault.Unavailable, Count: 2, Match: fault.Match{Endpoint: "/services/data/**", Method: "GET"}})
	hit := fault.Point{Endpoint: "/services/data/v67.0/query", Method: "GET"}
	for _, miss := range []fault.Point{
		{Endpoint: "/services/data/v67.0/query", Method: "POST"},
		{Endpoint: "/services/dataX", Method: "GET"},
		{Endpoint: "/services/oauth2/token", Method: "GET"},
	} {
		if _, ok := b.Take(fault.Unavailable, miss); ok {
			t.Errorf("struck at %+v", miss)
		}
	}
	if _, ok := b.Take(fault.SlowBytes, hit); ok {
		t.Error("a fault of another name struck")
	}
	for i := range 4 {
		if _, ok := b.Take(fault.Unavailable, hit); ok != (i < 2) {
			t.Errorf("opportunity %d: struck %v", i+1, ok)
		}
	}
	if list := b.List(); len(list) != 1 || list[0].Struck != 2 || !list[0].Spent {
		t.Errorf("List() = %+v", list)
	}
}

func TestBoard_WindowIsTheOrgsTime(t *testing.T) {
	t.Parallel()
	b, c := newBoard(t)
	set(t, b, fault.Fault{Name: fault.SilentStream, From: c.Now().Add(time.Hour), Until: c.Now().Add(2 * time.Hour)})
	for _, want := range []bool{false, true, false} {
		if _, ok := b.Take(fault.SilentStream, fault.Point{}); ok != want {
			t.Errorf("at %v: struck %v, want %v", c.Now(), ok, want)
		}
		c.Advance(time.Hour)
	}
}

func TestBoard_ProbabilityRepeatsWithItsSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (pattern []bool, struck int) {
		b, _ := newBoard(t)
		set(t, b, fault.Fault{Name: fault.DuplicateDelivery, Probability: 0.25, Seed: seed})
		for range 400 {
			_, ok := b.Take(fault.DuplicateDelivery, fault.Point{})
			pattern = append(pattern, ok)
			if ok {
				struck++
			}
		}
		return pattern, struck
	}
	first, struck := run(7)
	again, _ := run(7)
	other, _ := run(8)
	if struck < 60 || struck > 140 {
		t.Errorf("struck %d times of 400 with probability 0.25", struck)
	}
	if !equal(first, again) || equal(first, other) {
		t.Error("the seed must decide the pattern")
	}
}

func equal(a, b []bool) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestBoard_ClearAndReplace(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	id := set(t, b, fault.Fault{Name: fault.Unavailable, Match: fault.Match{Topic: "/event/A__e"}})
	set(t, b, fault.Fault{ID: id, Name: fault.Unavailable, Match: fault.Match{Topic: "/event/*"}})
	if len(b.List()) != 1 {
		t.Fatalf("setting an id again must replace it: %+v", b.List())
	}
	if _, ok := b.Take(fault.Unavailable, fault.Point{Topic: "/event/B__e"}); !ok {
		t.Error("the replacement does not strike")
	}
	if !b.Clear(id) || b.Clear(id) {
		t.Error("Clear must report true once")
	}
	if _, ok := b.Take(fault.Unavailable, fault.Point{Topic: "/event/B__e"}); ok {
		t.Error("a cleared fault struck")
	}
}

func TestFault_ValidateRefusesNonsense(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	for _, f := range []fault.Fault{
		{Name: "earthquake"},
		{Name: fault.Unavailable, Count: -1},
		{Name: fault.Unavailable, Probability: 1.5},
		{Name: fault.Unavailable, Match: fault.Match{Topic: "[a"}},
	} {
		if _, err := b.Set(f); err == nil {
			t.Errorf("Set(%+v) succeeded", f)
		}
	}
}
