package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

var appendTests = []test{
	{"Append_KeepsEveryFieldOfAnEvent", appendKeepsFields},
	{"Append_KeepsPayloadBytes", appendKeepsPayloadBytes},
	{"Append_KeepsNothingOfTheCallersMemory", appendCopies},
	{"Append_StoresEventsAndPositionTogether", appendStoresPosition},
	{"Append_UnderAnOldFenceStoresNothing", appendFenced},
	{"Append_CountsFilteredAndDuplicates", appendCounts},
	{"Append_ByManyCallersLosesNothing", appendConcurrently},
	{"Append_OutlivesACrash", appendOutlivesCrash},
	{"Append_WithDoneContextDoesNothing", appendCancelled},
	{"RecentIDs_AreTheNewestOfTheRoute", recentIDs},
}

func appendKeepsFields(s *suite) {
	st := s.open()
	want := ev("a", "key 1")
	want.Refilled = true
	bare := event.Event{ID: "bare", Route: orders, Data: []byte("{}")}
	s.append(st, want, bare)
	claims := s.claimAll(st, 2)
	if diff := cmp.Diff([]event.Event{want, bare}, []event.Event{claims[0].Event, claims[1].Event}); diff != "" {
		s.Fatalf("claimed events differ (-want +got):\n%s", diff)
	}
	if got := claims[0].Accepted; !got.Equal(s.Clock.Now()) {
		s.Fatalf("accepted = %v, want %v", got, s.Clock.Now())
	}
	s.settle(st, 0, time.Time{}, claims...)
	if diff := cmp.Diff(want, s.find(st, "a").Event); diff != "" {
		s.Fatalf("found event differs (-want +got):\n%s", diff)
	}
}

func appendKeepsPayloadBytes(s *suite) {
	st := s.open()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	payloads := map[string][]byte{
		"empty": {}, "nul": {0}, "every byte": all, "not UTF-8": {0xff, 0xfe, 0x00, 0xc3, 0x28}, "large": make([]byte, 100_000),
	}
	for id, data := range payloads {
		e := ev(id, "key\x00with NUL and \xff")
		e.Data = data
		s.append(st, e)
	}
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	for _, c := range s.claimAll(st, len(payloads)) {
		if diff := cmp.Diff(payloads[c.Event.ID], c.Event.Data); diff != "" {
			s.Errorf("payload %q differs", c.Event.ID)
		}
		if c.Event.Key != "key\x00with NUL and \xff" {
			s.Errorf("key = %q", c.Event.Key)
		}
	}
}

func appendCopies(s *suite) {
	st := s.open()
	e := ev("a", "")
	e.Data = []byte("before")
	s.append(st, e)
	copy(e.Data, "after!")
	if got := string(s.claim(st, 1)[0].Event.Data); got != "before" {
		s.Fatalf("payload = %q, want %q", got, "before")
	}
}

func appendStoresPosition(s *suite) {
	st := s.open()
	const name = "/event/Order__e"
	if cp, err := st.Checkpoint(s.ctx, name); err != nil || cp.Position != nil || !cp.EventTime.IsZero() || !cp.Moved.IsZero() {
		s.Fatalf("checkpoint of a stranger = %+v, %v; want the zero value", cp, err)
	}
	at := time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC)
	s.check(st.Append(s.ctx, subscription.Append{Subscription: name, Events: evs("a", 3), Position: event.Position{0, 1, 255}, EventTime: at}))
	moved := s.Clock.Now()
	s.Clock.Advance(time.Minute)
	// Without a position nothing moves; without an event its time stays.
	s.check(st.Append(s.ctx, subscription.Append{Subscription: name, Events: evs("b", 1)}))
	want := subscription.Checkpoint{Position: event.Position{0, 1, 255}, EventTime: at, Moved: moved}
	if got, err := st.Checkpoint(s.ctx, name); err != nil || !cmp.Equal(want, got) {
		s.Fatalf("checkpoint = %+v, %v; want %+v", got, err, want)
	}
	s.check(st.Append(s.ctx, subscription.Append{Subscription: name, Position: event.Position{9}}))
	want.Position, want.Moved = event.Position{9}, s.Clock.Now()
	if got, err := st.Checkpoint(s.ctx, name); err != nil || !cmp.Equal(want, got) {
		s.Fatalf("checkpoint after keep-alive = %+v, %v; want %+v", got, err, want)
	}
	if got := s.ledger(st).Accepted; got != 4 {
		s.Fatalf("accepted %d events, want 4", got)
	}
	// A time may come before any position: where a subscription wants to begin.
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "other", EventTime: at}))
	want = subscription.Checkpoint{EventTime: at}
	if got, err := st.Checkpoint(s.ctx, "other"); err != nil || !cmp.Equal(want, got) {
		s.Fatalf("checkpoint with a time only = %+v, %v; want %+v", got, err, want)
	}
}

func appendFenced(s *suite) {
	st := s.open()
	old, ok, err := st.Acquire(s.ctx, "sub", "first", lease)
	if err != nil || !ok {
		s.Fatalf("acquire: %v, %v", ok, err)
	}
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "sub", Fence: old.Fence, Events: evs("a", 1), Position: event.Position{1}}))
	// The holder pauses past its lease; another takes over; the holder wakes up.
	s.Clock.Advance(2 * lease)
	next, ok, err := st.Acquire(s.ctx, "sub", "second", lease)
	if err != nil || !ok || next.Fence <= old.Fence {
		s.Fatalf("acquire after expiry = %+v, %v, %v", next, ok, err)
	}
	err = st.Append(s.ctx, subscription.Append{
		Subscription: "sub", Fence: old.Fence, Events: evs("b", 2), Position: event.Position{2},
		Filtered: map[string]int64{orders: 1}, Duplicates: map[string]int64{orders: 1},
	})
	if !errors.Is(err, subscription.ErrFenced) {
		s.Fatalf("append under an old fence = %v, want ErrFenced", err)
	}
	if l := s.adds(st); l.Accepted != 1 || l.Filtered != 0 || l.Duplicates != 0 {
		s.Fatalf("ledger after a fenced append = %+v", l)
	}
	if cp, err := st.Checkpoint(s.ctx, "sub"); err != nil || !cmp.Equal(cp.Position, event.Position{1}) {
		s.Fatalf("position after a fenced append = %v, %v", cp.Position, err)
	}
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "sub", Fence: next.Fence, Events: evs("c", 1)}))
}

func appendCounts(s *suite) {
	st := s.open()
	s.check(st.Append(s.ctx, subscription.Append{
		Events: evs("a", 1), Filtered: map[string]int64{orders: 2, "quiet": 4}, Duplicates: map[string]int64{orders: 3},
	}))
	s.check(st.Append(s.ctx, subscription.Append{Filtered: map[string]int64{orders: 1}}))
	if l := s.adds(st); l.Accepted != 1 || l.Filtered != 3 || l.Duplicates != 3 || l.Waiting != 1 {
		s.Fatalf("ledger = %+v", l)
	}
	ledgers, err := st.Ledgers(s.ctx)
	s.check(err)
	if len(ledgers) != 2 || ledgers[0].Route != orders || ledgers[1].Route != "quiet" || ledgers[1].Filtered != 4 {
		s.Fatalf("ledgers = %+v, want orders and quiet", ledgers)
	}
}

func appendConcurrently(s *suite) {
	st := s.open()
	const callers, each = 32, 10
	var wg sync.WaitGroup
	errs := make(chan error, callers*each)
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				errs <- st.Append(s.ctx, subscription.Append{
					Subscription: fmt.Sprint("sub ", c), Events: evs(fmt.Sprintf("%d-%d", c, i), 2), Position: event.Position{byte(i)},
				})
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		s.check(err)
	}
	if l := s.adds(st); l.Accepted != callers*each*2 {
		s.Fatalf("accepted %d, want %d", l.Accepted, callers*each*2)
	}
	for c := range callers {
		cp, err := st.Checkpoint(s.ctx, fmt.Sprint("sub ", c))
		s.check(err)
		if !cmp.Equal(cp.Position, event.Position{each - 1}) {
			s.Fatalf("position of subscription %d = %v", c, cp.Position)
		}
	}
}

func appendOutlivesCrash(s *suite) {
	st := s.Open(s.T)
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "sub", Events: evs("a", 5), Position: event.Position{5}}))
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	if l := s.adds(st); l.Accepted != 5 || l.Waiting != 5 {
		s.Fatalf("ledger after a crash = %+v", l)
	}
	if cp, err := st.Checkpoint(s.ctx, "sub"); err != nil || !cmp.Equal(cp.Position, event.Position{5}) {
		s.Fatalf("position after a crash = %v, %v", cp.Position, err)
	}
	s.append(st, evs("b", 1)...)
	if got := ids(s.claimAll(st, 6)); !cmp.Equal(got, []string{"a-000", "a-001", "a-002", "a-003", "a-004", "b-000"}) {
		s.Fatalf("claimed %v", got)
	}
}

func appendCancelled(s *suite) {
	st := s.open()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if err := st.Append(ctx, subscription.Append{Events: evs("a", 1)}); err != nil && !errors.Is(err, context.Canceled) {
		s.Fatalf("append = %v, want nil or context.Canceled", err)
	} else if got, want := s.adds(st).Accepted, map[bool]int64{true: 1, false: 0}[err == nil]; got != want {
		s.Fatalf("append said %v, but accepted %d", err, got)
	}
}

func recentIDs(s *suite) {
	st := s.open()
	other := ev("other", "")
	other.Route = "invoices"
	s.append(st, append(evs("a", 10), other)...)
	got, err := st.RecentIDs(s.ctx, orders, 3)
	s.check(err)
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
	}
	if len(got) != 3 || !seen["a-007"] || !seen["a-008"] || !seen["a-009"] {
		s.Fatalf("recent ids = %v, want a-007 to a-009", got)
	}
	if got, err := st.RecentIDs(s.ctx, "nowhere", 3); err != nil || len(got) != 0 {
		s.Fatalf("recent ids of no route = %v, %v", got, err)
	}
}
