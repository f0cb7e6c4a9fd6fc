package storetest

import (
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

var leaseTests = []test{
	{"Leases_OneHolderAtATime", leasesOneHolder},
	{"Leases_PausedHolderIsFenced", leasesPaused},
	{"Leases_ReleaseHandsOver", leasesRelease},
	{"Leases_OneOfManyAcquires", leasesRace},
}

func leasesOneHolder(s *suite) {
	st := s.open()
	first, ok, err := st.Acquire(s.ctx, "sub", "first", lease)
	if err != nil || !ok || first.Fence < 1 || !first.Until.Equal(s.Clock.Now().Add(lease)) {
		s.Fatalf("acquire = %+v, %v, %v", first, ok, err)
	}
	if l, ok, err := st.Acquire(s.ctx, "sub", "second", lease); err != nil || ok || l.Holder != "first" {
		s.Fatalf("acquire of a held lease = %+v, %v, %v", l, ok, err)
	}
	if _, ok, err := st.Acquire(s.ctx, "other", "second", lease); err != nil || !ok {
		s.Fatalf("acquire of another name = %v, %v", ok, err)
	}
	s.Clock.Advance(lease - time.Second)
	s.check(st.Renew(s.ctx, first, lease))
	s.Clock.Advance(lease - time.Second)
	if _, ok, err := st.Acquire(s.ctx, "sub", "second", lease); err != nil || ok {
		s.Fatalf("acquire of a renewed lease = %v, %v", ok, err)
	}
	again, ok, err := st.Acquire(s.ctx, "sub", "first", lease)
	if err != nil || !ok || again.Fence < first.Fence {
		s.Fatalf("acquire by the holder = %+v, %v, %v", again, ok, err)
	}
}

func leasesPaused(s *suite) {
	st := s.open()
	old, _, err := st.Acquire(s.ctx, "sub", "first", lease)
	s.check(err)
	s.Clock.Advance(lease + time.Second)
	// Nobody took it: the old holder may go on.
	s.check(st.Renew(s.ctx, old, lease))
	s.Clock.Advance(lease + time.Second)
	next, ok, err := st.Acquire(s.ctx, "sub", "second", lease)
	if err != nil || !ok || next.Fence <= old.Fence {
		s.Fatalf("acquire after expiry = %+v, %v, %v", next, ok, err)
	}
	if err := st.Renew(s.ctx, old, lease); !errors.Is(err, subscription.ErrFenced) {
		s.Fatalf("renew of a lost lease = %v, want ErrFenced", err)
	}
	// Releasing what was lost does nothing to the new holder.
	s.check(st.Release(s.ctx, old))
	if l, ok, err := st.Acquire(s.ctx, "sub", "third", lease); err != nil || ok || l.Holder != "second" {
		s.Fatalf("acquire = %+v, %v, %v", l, ok, err)
	}
	s.check(st.Renew(s.ctx, next, lease))
}

func leasesRelease(s *suite) {
	st := s.open()
	old, _, err := st.Acquire(s.ctx, "sub", "first", lease)
	s.check(err)
	s.check(st.Release(s.ctx, old))
	next, ok, err := st.Acquire(s.ctx, "sub", "second", lease)
	if err != nil || !ok || next.Fence <= old.Fence {
		s.Fatalf("acquire after release = %+v, %v, %v", next, ok, err)
	}
	if err := st.Append(s.ctx, subscription.Append{Subscription: "sub", Fence: old.Fence, Events: evs("a", 1)}); !errors.Is(err, subscription.ErrFenced) {
		s.Fatalf("append under a released lease = %v", err)
	}
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "sub", Fence: next.Fence, Events: evs("b", 1)}))
}

func leasesRace(s *suite) {
	st := s.open()
	const callers = 16
	got := make(chan bool)
	for i := range callers {
		go func() {
			_, ok, err := st.Acquire(s.ctx, "sub", string(rune('a'+i)), lease)
			if err != nil {
				s.Error(err)
			}
			got <- ok
		}()
	}
	n := 0
	for range callers {
		if <-got {
			n++
		}
	}
	if n != 1 {
		s.Fatalf("%d callers hold one lease", n)
	}
}

var gapTests = []test{
	{"Gaps_AreKeptWithTheirEnd", gapsKept},
	{"Gaps_MoveWithTheEventsThatFillThem", gapsMoveWithEvents},
}

// gapsMoveWithEvents: a refill's events and its cursor land together or not at
// all, and what a person has ended stays ended.
func gapsMoveWithEvents(s *suite) {
	st := s.open()
	now := s.Clock.Now()
	l, _, err := st.Acquire(s.ctx, "topic", "one", lease)
	s.check(err)
	g := subscription.Gap{
		Subscription: "topic", State: subscription.GapRefilling, Object: "Account", Cause: "overflow", From: now.Add(-time.Hour),
		Opened: now, Began: now.Add(time.Second),
	}
	g.Number, err = st.OpenGap(s.ctx, g)
	s.check(err)
	g.Cursor, g.Read, g.Refilled = event.Position("\x00page 2\xff"), 3, 2
	step := subscription.Append{Subscription: "topic", Fence: l.Fence, Events: evs("refilled", 2), Gap: &g}
	s.check(st.Append(s.ctx, step))
	fenced := g
	fenced.Read, step.Fence, step.Gap = 99, l.Fence+1, &fenced
	if err := st.Append(s.ctx, step); !errors.Is(err, subscription.ErrFenced) {
		s.Fatalf("append under another fence: %v", err)
	}
	g.Filled, g.Witness, g.Covered = now.Add(time.Minute), "event\x001", now.Add(-time.Minute)
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "topic", Fence: l.Fence, Gap: &g}))
	s.wantGap(st, g)
	if cp, err := st.Checkpoint(s.ctx, "topic"); err != nil || cp.Position != nil || !cp.EventTime.IsZero() {
		s.Fatalf("a refill moved the position: %+v, %v", cp, err)
	}
	g.State, g.Closed = subscription.GapAccepted, now
	s.check(st.UpdateGap(s.ctx, g))
	late := g
	late.State, late.Read, late.Closed = subscription.GapRefilling, 100, time.Time{}
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "topic", Fence: l.Fence, Gap: &late}))
	s.wantGap(st, g)
	s.claimAll(st, 2)
}

func (s *suite) wantGap(st contract.Store, want subscription.Gap) {
	s.Helper()
	got, err := st.Gaps(s.ctx, want.Subscription)
	s.check(err)
	if diff := cmp.Diff([]subscription.Gap{want}, got); diff != "" {
		s.Fatalf("gap differs (-want +got):\n%s", diff)
	}
}

func gapsKept(s *suite) {
	st := s.Open(s.T)
	now := s.Clock.Now()
	first := subscription.Gap{
		Subscription: "a", State: subscription.GapOpen, Cause: "position-expired", Detail: "the org no longer keeps it",
		From: now.Add(-time.Hour), Opened: now,
	}
	var err error
	first.Number, err = st.OpenGap(s.ctx, first)
	s.check(err)
	second := subscription.Gap{Subscription: "b", State: subscription.GapOpen, Cause: "org-moved", Opened: now}
	second.Number, err = st.OpenGap(s.ctx, second)
	s.check(err)
	if second.Number <= first.Number || first.Number == 0 {
		s.Fatalf("gap numbers %d, %d", first.Number, second.Number)
	}
	first.State, first.Until, first.Closed, first.Refilled = subscription.GapRefilled, now, now.Add(time.Minute), 42
	s.check(st.UpdateGap(s.ctx, first))
	if err := st.UpdateGap(s.ctx, subscription.Gap{Number: 99, Subscription: "a"}); err == nil {
		s.Fatal("updated a gap that was never opened")
	}
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	for name, want := range map[string][]subscription.Gap{"": {second, first}, "a": {first}, "c": nil} {
		got, err := st.Gaps(s.ctx, name)
		s.check(err)
		if diff := cmp.Diff(want, got); diff != "" {
			s.Fatalf("gaps of %q differ (-want +got):\n%s", name, diff)
		}
	}
}
