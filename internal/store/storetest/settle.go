package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

var settleTests = []test{
	{"Settle_DoneIsNeverHandedOutAgain", settleDone},
	{"Settle_AgainWaitsUntilDue", settleAgain},
	{"Settle_ReleaseDoesNotCountTheAttempt", settleRelease},
	{"Settle_ReleaseOfARedeliveryStaysOne", settleReleaseRedelivery},
	{"Settle_DeadWaitsForAPerson", settleDead},
	{"Settle_TwiceIsStale", settleTwice},
	{"Settle_LateButNotClaimedAgainCounts", settleLate},
	{"Settle_MixedBatch", settleMixed},
	{"Redrive_CountsAttemptsAnew", redriveAnew},
	{"Redrive_SelectsByRouteAndID", redriveSelects},
	{"Redrive_Ordered_ComesBeforeLaterEvents", redriveOrdered},
	{"Redrive_ReachesAClaimThatWaits", redriveReaches},
	{"List_FiltersAndPages", listFilters},
	{"Find_TellsTheHistory", findHistory},
}

func settleDone(s *suite) {
	st := s.Open(s.T)
	s.append(st, evs("a", 3)...)
	s.Clock.Advance(time.Second)
	s.settle(st, delivery.Done, time.Time{}, s.claimAll(st, 3)...)
	s.nothing(st, false)
	if rec := s.find(st, "a-001"); rec.State != delivery.Delivered || !rec.Ended.Equal(s.Clock.Now()) || len(rec.History) != 0 {
		s.Fatalf("record = %+v", rec)
	}
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	s.Clock.Advance(2 * lease)
	s.nothing(st, false)
	if l := s.adds(st); l.Delivered != 3 || l.Waiting != 0 || !l.OldestWaiting.IsZero() {
		s.Fatalf("ledger = %+v", l)
	}
}

func settleAgain(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""), ev("b", ""))
	accepted := s.Clock.Now()
	claims := s.claimAll(st, 2)
	due := s.Clock.Now().Add(10 * time.Second)
	s.settle(st, delivery.Again, due, claims[0])
	s.settle(st, delivery.Again, time.Time{}, claims[1])
	if rec := s.find(st, "a"); rec.State != delivery.Waiting || !rec.Due.Equal(due) || rec.LastOutcome.Status != 500 {
		s.Fatalf("record = %+v", rec)
	}
	// A zero due time means at once.
	if c := s.claim(st, 2); len(c) != 1 || c[0].Event.ID != "b" || c[0].Attempt != 2 || c[0].Redelivery {
		s.Fatalf("claimed %+v", c)
	}
	s.Clock.Advance(10*time.Second - time.Millisecond)
	s.nothing(st, false)
	s.Clock.Advance(time.Millisecond)
	if c := s.claim(st, 2); len(c) != 1 || c[0].Event.ID != "a" || c[0].Attempt != 2 || c[0].Redelivery {
		s.Fatalf("claimed %+v", c)
	}
	if l := s.adds(st); l.Waiting != 2 || l.Redelivered != 0 || !l.OldestWaiting.Equal(accepted) {
		s.Fatalf("ledger = %+v", l)
	}
}

func settleRelease(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	for range 3 {
		c := s.claim(st, 1)
		if c[0].Attempt != 1 || c[0].Redelivery {
			s.Fatalf("claim = %+v", c[0])
		}
		s.settle(st, delivery.Release, time.Time{}, c...)
	}
	s.settle(st, delivery.Release, s.Clock.Now().Add(time.Second), s.claim(st, 1)...)
	s.nothing(st, false)
	if rec := s.find(st, "a"); rec.Attempts != 0 || len(rec.History) != 0 || rec.State != delivery.Waiting {
		s.Fatalf("record = %+v", rec)
	}
	s.Clock.Advance(time.Second)
	s.claim(st, 1)
	s.adds(st)
}

func settleReleaseRedelivery(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	s.claim(st, 1)
	s.Clock.Advance(2 * lease)
	c := s.claim(st, 1)
	s.settle(st, delivery.Release, time.Time{}, c...)
	if l := s.adds(st); l.Redelivered != 0 {
		s.Fatalf("a released redelivery was counted: %+v", l)
	}
	c = s.claim(st, 1)
	if !c[0].Redelivery || c[0].Attempt != 2 {
		s.Fatalf("claim = %+v", c[0])
	}
	s.settle(st, delivery.Done, time.Time{}, c...)
	if l := s.adds(st); l.Redelivered != 1 {
		s.Fatalf("ledger = %+v", l)
	}
}

func settleDead(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	s.settle(st, delivery.Dead, time.Time{}, s.claim(st, 1)...)
	s.nothing(st, false)
	rec := s.find(st, "a")
	if rec.State != delivery.DeadState || !rec.Ended.Equal(s.Clock.Now()) || rec.LastOutcome.Reason == "" || len(rec.Event.Data) == 0 {
		s.Fatalf("record = %+v", rec)
	}
	if l := s.adds(st); l.Dead != 1 || l.Waiting != 0 {
		s.Fatalf("ledger = %+v", l)
	}
}

func settleTwice(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	c := s.claim(st, 1)
	stale, err := st.Settle(s.ctx, append(s.settlements(delivery.Done, time.Time{}, c...), s.settlements(delivery.Dead, time.Time{}, c...)...))
	s.check(err)
	if len(stale) != 1 {
		s.Fatalf("stale of two settlements of one claim = %v", stale)
	}
	if stale, err = st.Settle(s.ctx, s.settlements(delivery.Done, time.Time{}, c...)); err != nil || len(stale) != 1 {
		s.Fatalf("stale = %v, %v", stale, err)
	}
	if l := s.adds(st); l.Delivered+l.Dead != 1 {
		s.Fatalf("ledger = %+v", l)
	}
}

func settleLate(s *suite) {
	for _, ordered := range []bool{false, true} {
		st := s.open()
		id := fmt.Sprint("ordered ", ordered)
		s.append(st, ev(id, id))
		claims, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Ordered: ordered, Lease: lease})
		s.check(err)
		s.Clock.Advance(2 * lease)
		s.settle(st, delivery.Done, time.Time{}, claims...)
		s.nothing(st, ordered)
		if l := s.adds(st); l.Waiting != 0 || l.Redelivered != 0 {
			s.Fatalf("ledger = %+v", l)
		}
		s.check(st.Close())
	}
}

func settleMixed(s *suite) {
	st := s.open()
	s.append(st, evs("a", 9)...)
	claims := s.claimAll(st, 9)
	var all []delivery.Settlement
	for i, c := range claims {
		all = append(all, s.settlements(delivery.Disposition(i%4), time.Time{}, c)...)
	}
	stale, err := st.Settle(s.ctx, all)
	s.check(err)
	if len(stale) != 0 {
		s.Fatalf("stale = %v", stale)
	}
	if l := s.adds(st); l.Delivered != 3 || l.Dead != 2 || l.Waiting != 4 {
		s.Fatalf("ledger = %+v", l)
	}
	attempts := map[string]int{}
	for _, c := range s.claimAll(st, 4) {
		attempts[c.Event.ID] = c.Attempt
	}
	if want := map[string]int{"a-001": 2, "a-003": 1, "a-005": 2, "a-007": 1}; !cmp.Equal(attempts, want) {
		s.Fatalf("attempts = %v, want %v", attempts, want)
	}
}

func redriveAnew(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	s.settle(st, delivery.Again, time.Time{}, s.claim(st, 1)...)
	s.settle(st, delivery.Dead, time.Time{}, s.claim(st, 1)...)
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{}); err != nil || n != 1 {
		s.Fatalf("redrive = %d, %v", n, err)
	}
	c := s.claim(st, 1)
	if c[0].Attempt != 1 || c[0].Redelivery {
		s.Fatalf("claim after redrive = %+v", c[0])
	}
	s.settle(st, delivery.Dead, time.Time{}, c...)
	rec := s.find(st, "a")
	if numbers := attemptNumbers(rec); !cmp.Equal(numbers, []int{1, 2, 1}) {
		s.Fatalf("history numbers = %v", numbers)
	}
	if l := s.adds(st); l.Dead != 1 || l.Accepted != 1 {
		s.Fatalf("ledger = %+v", l)
	}
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{Route: "nowhere"}); err != nil || n != 0 {
		s.Fatalf("redrive of no route = %d, %v", n, err)
	}
}

func attemptNumbers(rec delivery.Record) []int {
	var numbers []int
	for _, a := range rec.History {
		numbers = append(numbers, a.Number)
	}
	return numbers
}

func redriveSelects(s *suite) {
	st := s.open()
	other := ev("a-001", "")
	other.Route = "invoices"
	s.append(st, append(evs("a", 3), other)...)
	s.settle(st, delivery.Dead, time.Time{}, s.claimAll(st, 3)...)
	claims, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: "invoices", Max: 1, Run: 1, Lease: lease})
	s.check(err)
	s.settle(st, delivery.Dead, time.Time{}, claims...)
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{Route: orders, IDs: []string{"a-001", "a-009"}}); err != nil || n != 1 {
		s.Fatalf("redrive by route and id = %d, %v", n, err)
	}
	if got := ids(s.claim(st, 3)); !cmp.Equal(got, []string{"a-001"}) {
		s.Fatalf("claimed %v", got)
	}
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{IDs: []string{"a-001"}}); err != nil || n != 1 {
		s.Fatalf("redrive by id = %d, %v", n, err)
	}
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{}); err != nil || n != 2 {
		s.Fatalf("redrive of all = %d, %v", n, err)
	}
	if l := s.adds(st); l.Dead != 0 || l.Waiting != 3 {
		s.Fatalf("ledger = %+v", l)
	}
}

func redriveOrdered(s *suite) {
	st := s.open()
	s.append(st, ev("1", "k"), ev("2", "k"), ev("3", "k"))
	s.settle(st, delivery.Dead, time.Time{}, s.claim(st, 1, 1)...)
	two := s.claim(st, 1, 1)
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{Route: orders}); err != nil || n != 1 {
		s.Fatalf("redrive = %d, %v", n, err)
	}
	s.nothing(st, true) // 2 is still in flight
	s.settle(st, delivery.Done, time.Time{}, two...)
	if got := ids(s.claim(st, 5, 5)); !cmp.Equal(got, []string{"1", "3"}) {
		s.Fatalf("claimed %v", got)
	}
}

// A batch whose events have all ended is open again by a redrive, and a dispatcher
// waits for events at that time.
func redriveReaches(s *suite) {
	st := s.open()
	s.append(st, evs("a", 2)...)
	s.append(st, ev("b", ""))
	s.settle(st, delivery.Dead, time.Time{}, s.claimAll(st, 3)...)
	got := make(chan []string)
	for range 3 {
		go func() {
			claims, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Owner: "test", Lease: lease})
			if err != nil {
				s.Error(err)
			}
			got <- ids(claims)
		}()
	}
	s.nothing(st, false) // lasts longer than it takes the others to wait
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{Route: orders}); err != nil || n != 3 {
		s.Fatalf("redrive = %d, %v", n, err)
	}
	all := slices.Sorted(slices.Values(slices.Concat(<-got, <-got, <-got)))
	if want := []string{"a-000", "a-001", "b"}; !cmp.Equal(all, want) {
		s.Fatalf("claimed %v, want %v", all, want)
	}
}

func listFilters(s *suite) {
	st := s.open()
	s.append(st, evs("a", 5)...)
	claims := s.claimAll(st, 3)
	s.settle(st, delivery.Done, time.Time{}, claims[0])
	s.settle(st, delivery.Dead, time.Time{}, claims[1])
	list := func(f delivery.ListFilter) []string {
		s.Helper()
		f.Limit = max(f.Limit, 1)
		records, err := st.List(s.ctx, f)
		s.check(err)
		for _, r := range records {
			if r.Event.Data != nil || r.Event.Route != orders || r.Event.Type == "" || r.Accepted.IsZero() {
				s.Fatalf("listed %+v", r)
			}
		}
		return recordIDs(records)
	}
	for _, c := range []struct {
		filter delivery.ListFilter
		want   []string
	}{
		{delivery.ListFilter{Limit: 2}, []string{"a-004", "a-003"}},
		{delivery.ListFilter{Limit: 2, Before: claims[2].Seq + 1}, []string{"a-002", "a-001"}},
		{delivery.ListFilter{Limit: 9, State: delivery.Delivered}, []string{"a-000"}},
		{delivery.ListFilter{Limit: 9, State: delivery.DeadState, Route: orders}, []string{"a-001"}},
		{delivery.ListFilter{Limit: 9, State: delivery.Waiting}, []string{"a-004", "a-003", "a-002"}},
		{delivery.ListFilter{Limit: 9, State: delivery.InFlight}, []string{"a-002"}},
		{delivery.ListFilter{Limit: 9, Route: "nowhere"}, []string{}},
	} {
		if got := list(c.filter); !cmp.Equal(got, c.want) {
			s.Errorf("list %+v = %v, want %v", c.filter, got, c.want)
		}
	}
}

func findHistory(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	first := s.settlements(delivery.Again, time.Time{}, s.claim(st, 1)...)
	_, err := st.Settle(s.ctx, first)
	s.check(err)
	s.Clock.Advance(time.Minute)
	second := s.settlements(delivery.Dead, time.Time{}, s.claim(st, 1)...)
	second[0].Outcome = event.Outcome{Verdict: event.Reject, Status: 422, Happened: event.HappenedNo, Reason: "the application answered 422"}
	_, err = st.Settle(s.ctx, second)
	s.check(err)
	want := []delivery.Attempt{
		{Number: 1, Started: first[0].Started, Ended: first[0].Ended, Outcome: first[0].Outcome},
		{Number: 2, Started: second[0].Started, Ended: second[0].Ended, Outcome: second[0].Outcome},
	}
	rec := s.find(st, "a")
	if diff := cmp.Diff(want, rec.History); diff != "" {
		s.Fatalf("history differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(second[0].Outcome, rec.LastOutcome); diff != "" {
		s.Fatalf("last outcome differs (-want +got):\n%s", diff)
	}
	if records, err := st.Find(s.ctx, "nobody"); err != nil || len(records) != 0 {
		s.Fatalf("find of nothing = %v, %v", records, err)
	}
}
