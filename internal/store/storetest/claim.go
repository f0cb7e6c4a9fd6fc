package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

var claimTests = []test{
	{"Claim_HandsOutInSequence", claimInSequence},
	{"Claim_HandsOutEachEventOnce", claimOnce},
	{"Claim_SeesOnlyItsRoute", claimRoute},
	{"Claim_WakesForAnAppend", claimWakes},
	{"Claim_EndsWithItsContext", claimEnds},
	{"Claim_Ordered_HandsOutOneRunOfALane", claimRun},
	{"Claim_Ordered_HoldsALaneUntilAllIsSettled", claimHoldsLane},
	{"Claim_Ordered_DelayedHeadBlocksOnlyItsLane", claimDelayedHead},
	{"Claim_Ordered_DeadHeadFreesTheLane", claimDeadHead},
	{"Claim_Ordered_EventsWithoutKeySpread", claimNoKey},
	{"Claim_ExpiredLeaseIsARedelivery", claimExpired},
	{"Claim_AfterACrashIsARedelivery", claimAfterCrash},
	{"Claim_Ordered_ExpiredRunBeginsAnew", claimExpiredRun},
	{"Claim_GoesThroughABacklogInOrder", claimBacklog},
	{"Claim_Ordered_GoesThroughABacklogPastABlockedLane", claimBlockedBacklog},
	{"Extend_KeepsAClaim", extendKeeps},
	{"Extend_TellsLostClaims", extendLost},
}

func claimInSequence(s *suite) {
	st := s.open()
	s.append(st, evs("a", 5)...)
	claims := s.claim(st, 3)
	if got := ids(claims); !cmp.Equal(got, []string{"a-000", "a-001", "a-002"}) {
		s.Fatalf("claimed %v", got)
	}
	for i, c := range claims {
		if c.Attempt != 1 || c.Redelivery || c.Token == 0 || c.Lane < 0 || c.Lane >= delivery.Lanes || c.Lane != delivery.LaneOf(c.Event) {
			s.Fatalf("claim = %+v", c)
		}
		if i > 0 && c.Seq <= claims[i-1].Seq {
			s.Fatalf("sequence falls: %d after %d", c.Seq, claims[i-1].Seq)
		}
	}
	if rec := s.find(st, "a-000"); rec.State != delivery.InFlight || rec.Attempts != 1 {
		s.Fatalf("record of a claimed event = %+v", rec)
	}
	if rec := s.find(st, "a-004"); rec.State != delivery.Waiting || rec.Attempts != 0 {
		s.Fatalf("record of a waiting event = %+v", rec)
	}
}

func claimOnce(s *suite) {
	st := s.open()
	s.append(st, evs("a", 4)...)
	got := append(ids(s.claim(st, 3)), ids(s.claim(st, 3))...)
	if !cmp.Equal(got, []string{"a-000", "a-001", "a-002", "a-003"}) {
		s.Fatalf("claimed %v", got)
	}
	s.nothing(st, false)
}

func claimRoute(s *suite) {
	st := s.open()
	other := ev("other", "")
	other.Route = "invoices"
	s.append(st, other)
	s.nothing(st, false)
	s.append(st, ev("mine", ""))
	if got := ids(s.claim(st, 5)); !cmp.Equal(got, []string{"mine"}) {
		s.Fatalf("claimed %v", got)
	}
}

func claimWakes(s *suite) {
	st := s.open()
	got := make(chan []string)
	for range 2 {
		go func() {
			claims, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Owner: "test", Lease: lease})
			if err != nil {
				s.Error(err)
			}
			got <- ids(claims)
		}()
	}
	s.append(st, ev("a", ""))
	first := <-got
	s.append(st, ev("b", ""))
	if all := slices.Sorted(slices.Values(append(first, <-got...))); !cmp.Equal(all, []string{"a", "b"}) {
		s.Fatalf("claimed %v", all)
	}
}

func claimEnds(s *suite) {
	st := s.open()
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() {
		_, err := st.Claim(ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Owner: "test", Lease: lease})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		s.Fatalf("claim = %v, want context.Canceled", err)
	}
	// The withdrawn claim must not swallow what comes later.
	s.append(st, ev("a", ""))
	if got := ids(s.claim(st, 1)); !cmp.Equal(got, []string{"a"}) {
		s.Fatalf("claimed %v", got)
	}
}

// keyInLane returns the n-th key that hashes into a lane of its own.
func keyInLane(n int) string {
	seen := map[int]bool{}
	for i := 0; ; i++ {
		key := fmt.Sprint("key ", i)
		if lane := delivery.LaneOf(ev("", key)); !seen[lane] {
			seen[lane] = true
			if len(seen) == n+1 {
				return key
			}
		}
	}
}

func claimRun(s *suite) {
	st := s.open()
	x, y := keyInLane(0), keyInLane(1)
	s.append(st, ev("x1", x), ev("y1", y), ev("x2", x), ev("x3", x), ev("y2", y), ev("x4", x))
	first := s.claim(st, 10, 2)
	for len(first) < 4 {
		first = append(first, s.claim(st, 10, 2)...)
	}
	lanes := map[string][]string{}
	for _, c := range first {
		lanes[c.Event.Key] = append(lanes[c.Event.Key], c.Event.ID)
	}
	if want := map[string][]string{x: {"x1", "x2"}, y: {"y1", "y2"}}; !cmp.Equal(lanes, want) {
		s.Fatalf("claimed %v, want %v", lanes, want)
	}
	s.nothing(st, true)
	s.settle(st, delivery.Done, time.Time{}, first...)
	if got := ids(s.claim(st, 10, 2)); !cmp.Equal(got, []string{"x3", "x4"}) {
		s.Fatalf("then claimed %v", got)
	}
}

func claimHoldsLane(s *suite) {
	st := s.open()
	s.append(st, ev("1", "k"), ev("2", "k"), ev("3", "k"))
	run := s.claim(st, 10, 2)
	if got := ids(run); !cmp.Equal(got, []string{"1", "2"}) {
		s.Fatalf("claimed %v", got)
	}
	s.settle(st, delivery.Done, time.Time{}, run[0])
	s.nothing(st, true)
	s.settle(st, delivery.Release, time.Time{}, run[1])
	if got := ids(s.claim(st, 10, 2)); !cmp.Equal(got, []string{"2", "3"}) {
		s.Fatalf("after a release claimed %v", got)
	}
}

func claimDelayedHead(s *suite) {
	st := s.open()
	x, y := keyInLane(0), keyInLane(1)
	s.append(st, ev("x1", x), ev("x2", x), ev("y1", y))
	claims := s.claim(st, 2, 1)
	for len(claims) < 2 {
		claims = append(claims, s.claim(st, 2, 1)...)
	}
	for _, c := range claims {
		if c.Event.ID == "x1" {
			s.settle(st, delivery.Again, s.Clock.Now().Add(10*time.Second), c)
		} else {
			s.settle(st, delivery.Done, time.Time{}, c)
		}
	}
	s.nothing(st, true)
	s.append(st, ev("y2", y))
	if got := ids(s.claim(st, 5, 5)); !cmp.Equal(got, []string{"y2"}) {
		s.Fatalf("past a delayed head claimed %v", got)
	}
	s.Clock.Advance(10 * time.Second)
	if got := ids(s.claim(st, 5, 5)); !cmp.Equal(got, []string{"x1", "x2"}) {
		s.Fatalf("when due claimed %v", got)
	}
}

func claimDeadHead(s *suite) {
	st := s.open()
	s.append(st, ev("1", "k"), ev("2", "k"))
	s.settle(st, delivery.Dead, time.Time{}, s.claim(st, 1, 1)...)
	if got := ids(s.claim(st, 1, 1)); !cmp.Equal(got, []string{"2"}) {
		s.Fatalf("after a dead letter claimed %v", got)
	}
}

func claimNoKey(s *suite) {
	st := s.open()
	s.append(st, evs("a", 64)...)
	lanes := map[int]bool{}
	for _, c := range s.claim(st, 64, 1) {
		lanes[c.Lane] = true
	}
	if len(lanes) < 20 {
		s.Fatalf("64 events without a key wait in %d lanes", len(lanes))
	}
}

func claimExpired(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	old := s.claim(st, 1)[0]
	s.Clock.Advance(lease - time.Second)
	s.nothing(st, false)
	s.Clock.Advance(2 * time.Second)
	again := s.claim(st, 1)[0]
	if again.Event.ID != "a" || !again.Redelivery || again.Attempt != 2 || again.Token <= old.Token {
		s.Fatalf("claim after expiry = %+v, first was %+v", again, old)
	}
	stale, err := st.Settle(s.ctx, s.settlements(delivery.Dead, time.Time{}, old))
	s.check(err)
	if len(stale) != 1 || stale[0].Seq != old.Seq {
		s.Fatalf("stale = %v, want the old claim", stale)
	}
	s.settle(st, delivery.Done, time.Time{}, again)
	if l := s.adds(st); l.Delivered != 1 || l.Redelivered != 1 || l.Dead != 0 {
		s.Fatalf("ledger = %+v", l)
	}
	if rec := s.find(st, "a"); rec.Redelivered != 1 || rec.Attempts != 2 || rec.State != delivery.Delivered {
		s.Fatalf("record = %+v", rec)
	}
}

func claimAfterCrash(s *suite) {
	st := s.Open(s.T)
	s.append(st, ev("a", ""), ev("b", ""))
	old := s.claim(st, 1)[0]
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	s.Clock.Advance(2 * lease)
	claims := s.claimAll(st, 2)
	slices.SortFunc(claims, func(a, b delivery.Claimed) int { return int(a.Seq - b.Seq) })
	a, b := claims[0], claims[1]
	if a.Event.ID != "a" || !a.Redelivery || a.Attempt != 2 || a.Token <= old.Token {
		s.Fatalf("claim of what was in flight = %+v", a)
	}
	if b.Event.ID != "b" || b.Redelivery || b.Attempt != 1 {
		s.Fatalf("claim of what was waiting = %+v", b)
	}
	s.settle(st, delivery.Done, time.Time{}, a, b)
	if l := s.adds(st); l.Redelivered != 1 || l.Delivered != 2 {
		s.Fatalf("ledger = %+v", l)
	}
}

func claimExpiredRun(s *suite) {
	st := s.open()
	s.append(st, ev("1", "k"), ev("2", "k"), ev("3", "k"))
	run := s.claim(st, 3, 3)
	s.settle(st, delivery.Done, time.Time{}, run[0])
	s.Clock.Advance(2 * lease)
	again := s.claim(st, 3, 3)
	if got := ids(again); !cmp.Equal(got, []string{"2", "3"}) || !again[0].Redelivery {
		s.Fatalf("claimed %v", again)
	}
	stale, err := st.Settle(s.ctx, s.settlements(delivery.Done, time.Time{}, run[1:]...))
	s.check(err)
	if len(stale) != 2 {
		s.Fatalf("stale = %v", stale)
	}
	s.settle(st, delivery.Done, time.Time{}, again...)
	s.adds(st)
}

func claimBacklog(s *suite) {
	st := s.open()
	const n = 1000
	for i := range n / 100 {
		s.append(st, evs(fmt.Sprint("a", i), 100)...)
	}
	last := int64(0)
	for range n / 50 {
		claims := s.claimAll(st, 50)
		for _, c := range claims {
			if c.Seq <= last {
				s.Fatalf("sequence falls: %d after %d", c.Seq, last)
			}
			last = c.Seq
		}
		s.settle(st, delivery.Done, time.Time{}, claims...)
	}
	if l := s.adds(st); l.Delivered != n || l.Waiting != 0 {
		s.Fatalf("ledger = %+v", l)
	}
}

func claimBlockedBacklog(s *suite) {
	st := s.open()
	blocked := keyInLane(0)
	s.append(st, ev("head", blocked))
	s.settle(st, delivery.Again, s.Clock.Now().Add(time.Hour), s.claim(st, 1, 1)...)
	want := map[string][]string{}
	for i := range 20 {
		batch := evs("", 0)
		for j := range 20 {
			e := ev(fmt.Sprintf("%d-%d", i, j), blocked)
			if j%2 == 0 {
				e.Key = keyInLane(1 + j/2)
				want[e.Key] = append(want[e.Key], e.ID)
			}
			batch = append(batch, e)
		}
		s.check(st.Append(s.ctx, subscription.Append{Events: batch}))
	}
	got := map[string][]string{}
	for n := 0; n < 200; {
		claims := s.claim(st, 40, 4)
		for _, c := range claims {
			got[c.Event.Key] = append(got[c.Event.Key], c.Event.ID)
		}
		s.settle(st, delivery.Done, time.Time{}, claims...)
		n += len(claims)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("order by key differs (-want +got):\n%s", diff)
	}
	s.nothing(st, true)
	s.Clock.Advance(time.Hour)
	if got := s.claim(st, 1, 1)[0].Event.ID; got != "head" {
		s.Fatalf("claimed %s, want head", got)
	}
	s.adds(st)
}

func extendKeeps(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	claims := s.claim(st, 1)
	for range 3 {
		s.Clock.Advance(lease - time.Second)
		lost, err := st.Extend(s.ctx, claims, lease)
		s.check(err)
		if len(lost) != 0 {
			s.Fatalf("lost %v", lost)
		}
	}
	s.nothing(st, false)
	s.settle(st, delivery.Done, time.Time{}, claims...)
}

func extendLost(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""), ev("b", ""), ev("c", ""))
	claims := s.claimAll(st, 3)
	s.settle(st, delivery.Done, time.Time{}, claims[0])
	s.Clock.Advance(2 * lease)
	again := s.claim(st, 1)
	kept := claims[1]
	if again[0].Seq == kept.Seq {
		kept = claims[2]
	}
	lost, err := st.Extend(s.ctx, append(claims, again...), lease)
	s.check(err)
	if len(lost) != 3 && len(lost) != 2 {
		s.Fatalf("lost %v, want the settled and the expired", ids(lost))
	}
	for _, l := range lost {
		if l.Token == again[0].Token {
			s.Fatal("lost the claim that holds")
		}
	}
	if settled := slices.ContainsFunc(lost, func(l delivery.Claimed) bool { return l.Seq == claims[0].Seq }); !settled {
		s.Fatalf("lost %v, want the settled event among them", ids(lost))
	}
	_ = kept
}
