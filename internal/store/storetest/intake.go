package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// RunIntake runs the suite of [route.Intake], which the stores that start opens
// must implement.
func RunIntake(t *testing.T, start func(t *testing.T) *Harness) {
	t.Helper()
	runGroups(t, start, intakeTests)
}

var intakeTests = []test{
	{"Accept_KeepsEveryFieldOfAnEvent", acceptKeepsFields},
	{"Accept_KeepsNothingOfTheCallersMemory", acceptCopies},
	{"Accept_OutlivesACrash", acceptOutlivesCrash},
	{"Accept_WithoutMemoryStoresEveryTime", acceptUnremembered},
	{"Accept_TwiceInOneCallIsADuplicate", acceptTwiceInOneCall},
	{"Accept_TwiceIsADuplicate", acceptTwice},
	{"Accept_AnotherDigestConflicts", acceptConflict},
	{"Accept_NoDigestComparesNothing", acceptNoDigest},
	{"Accept_AnotherRouteKnowsNothing", acceptOtherRoute},
	{"Accept_KnowsAnIdAfterItsEventIsGone", acceptAfterSweep},
	{"Accept_ForgetsInTime", acceptForgets},
	{"Accept_MixedBatch", acceptMixed},
	{"Accept_OneOfManyCallersIsFirst", acceptRace},
	{"Accept_ManyIdsStayKnown", acceptMany},
	{"Accept_FreesAWaitingClaim", acceptFreesClaim},
	{"Accept_Ordered_InSequencePerKey", acceptOrdered},
	{"Accept_WithoutAnIdIsRefused", acceptNoID},
	{"Accept_NothingIsNothing", acceptNothing},
	{"Accept_WithDoneContextDoesNothing", acceptCancelled},
}

// arrival hands over an event that is remembered for an hour.
func arrival(id, key, digest string) route.Arrival {
	a := route.Arrival{Event: ev(id, key), Remember: time.Hour}
	if digest != "" {
		a.Digest = []byte(digest)
	}
	return a
}

func (s *suite) accept(st contract.Store, arrivals ...route.Arrival) []route.Receipt {
	s.Helper()
	receipts, err := intake(st).Accept(s.ctx, arrivals)
	s.check(err)
	if len(receipts) != len(arrivals) {
		s.Fatalf("%d receipts of %d arrivals", len(receipts), len(arrivals))
	}
	return receipts
}

func intake(st contract.Store) route.Intake { return st }

func (s *suite) wantReceipts(got []route.Receipt, want ...route.Receipt) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("receipts differ (-want +got):\n%s", diff)
	}
}

// took is the receipt of an event accepted now.
func (s *suite) took() route.Receipt { return route.Receipt{Accepted: s.Clock.Now()} }

func acceptKeepsFields(s *suite) {
	st := s.open()
	want := ev("a", "key \x00 1")
	want.Refilled = true
	bare := event.Event{ID: "bare", Route: orders, Data: []byte("{}")}
	s.wantReceipts(s.accept(st, route.Arrival{Event: want, Remember: time.Hour, Digest: []byte("d")}, route.Arrival{Event: bare}), s.took(), s.took())
	if diff := cmp.Diff(want, s.find(st, "a").Event); diff != "" {
		s.Fatalf("found event differs (-want +got):\n%s", diff)
	}
	claims := s.claimAll(st, 2)
	if diff := cmp.Diff([]event.Event{want, bare}, []event.Event{claims[0].Event, claims[1].Event}); diff != "" {
		s.Fatalf("claimed events differ (-want +got):\n%s", diff)
	}
	if !claims[0].Accepted.Equal(s.Clock.Now()) || claims[0].Attempt != 1 || claims[0].Redelivery {
		s.Fatalf("claim = %+v", claims[0])
	}
	s.settle(st, delivery.Done, time.Time{}, claims...)
	if l := s.adds(st); l.Accepted != 2 || l.Delivered != 2 {
		s.Fatalf("ledger = %+v", l)
	}
}

func acceptCopies(s *suite) {
	st := s.open()
	a := arrival("a", "", "")
	a.Event.Data = []byte("before")
	a.Digest = []byte("digest 1")
	s.accept(st, a)
	copy(a.Event.Data, "after!")
	copy(a.Digest, "digest 2")
	if got := string(s.claim(st, 1)[0].Event.Data); got != "before" {
		s.Fatalf("payload = %q, want %q", got, "before")
	}
	if r := s.accept(st, arrival("a", "", "digest 1")); !r[0].Duplicate {
		s.Fatalf("receipt = %+v, want a duplicate", r[0])
	}
}

func acceptOutlivesCrash(s *suite) {
	st := s.Open(s.T)
	s.accept(st, arrival("a", "", "d"), arrival("b", "", ""), route.Arrival{Event: ev("c", "")})
	at := s.Clock.Now()
	s.Clock.Advance(time.Minute)
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	if l := s.adds(st); l.Accepted != 3 || l.Waiting != 3 {
		s.Fatalf("ledger after a crash = %+v", l)
	}
	s.wantReceipts(s.accept(st, arrival("a", "", "d"), arrival("b", "", "d"), arrival("a", "", "other")),
		route.Receipt{Duplicate: true, Accepted: at}, route.Receipt{Duplicate: true, Accepted: at}, route.Receipt{Conflict: true, Accepted: at})
	if got := ids(s.claimAll(st, 3)); !cmp.Equal(got, []string{"a", "b", "c"}) {
		s.Fatalf("claimed %v", got)
	}
	s.nothing(st, false)
}

func acceptUnremembered(s *suite) {
	st := s.open()
	for range 2 {
		s.wantReceipts(s.accept(st, route.Arrival{Event: ev("a", "")}, route.Arrival{Event: ev("a", "")}), s.took(), s.took())
	}
	s.wantReceipts(s.accept(st, arrival("a", "", "")), s.took())
	if l := s.adds(st); l.Accepted != 5 || l.Waiting != 5 || l.Duplicates != 0 {
		s.Fatalf("ledger = %+v", l)
	}
}

func acceptTwiceInOneCall(s *suite) {
	st := s.open()
	at := s.Clock.Now()
	s.wantReceipts(s.accept(st, arrival("a", "", "d"), arrival("a", "", "d"), arrival("a", "", "other"), arrival("b", "", "d")),
		s.took(), route.Receipt{Duplicate: true, Accepted: at}, route.Receipt{Conflict: true, Accepted: at}, s.took())
	if got := ids(s.claimAll(st, 2)); !cmp.Equal(got, []string{"a", "b"}) {
		s.Fatalf("claimed %v", got)
	}
	s.nothing(st, false)
}

func acceptTwice(s *suite) {
	st := s.open()
	at := s.Clock.Now()
	s.accept(st, arrival("a", "", "d"))
	s.Clock.Advance(time.Minute)
	s.wantReceipts(s.accept(st, arrival("a", "", "d")), route.Receipt{Duplicate: true, Accepted: at})
	// Known is known, whatever has become of the event.
	s.settle(st, delivery.Dead, time.Time{}, s.claim(st, 2)...)
	s.wantReceipts(s.accept(st, arrival("a", "", "d")), route.Receipt{Duplicate: true, Accepted: at})
	if l := s.adds(st); l.Accepted != 1 || l.Dead != 1 || l.Duplicates != 2 {
		s.Fatalf("ledger = %+v", l)
	}
}

func acceptConflict(s *suite) {
	st := s.open()
	at := s.Clock.Now()
	s.accept(st, arrival("a", "", "d"))
	s.wantReceipts(s.accept(st, arrival("a", "", "a digest that is longer than most, of 64 bytes and still more")),
		route.Receipt{Conflict: true, Accepted: at})
	s.wantReceipts(s.accept(st, arrival("a", "", "d")), route.Receipt{Duplicate: true, Accepted: at})
	if l := s.adds(st); l.Accepted != 1 || l.Duplicates != 1 {
		s.Fatalf("ledger = %+v, want one accepted and one duplicate: a conflict is neither", l)
	}
}

func acceptNoDigest(s *suite) {
	st := s.open()
	at := s.Clock.Now()
	s.accept(st, arrival("without", "", ""), arrival("with", "", "d"))
	s.wantReceipts(s.accept(st, arrival("without", "", "d"), arrival("with", "", "")),
		route.Receipt{Duplicate: true, Accepted: at}, route.Receipt{Duplicate: true, Accepted: at})
}

func acceptOtherRoute(s *suite) {
	st := s.open()
	s.accept(st, arrival("a", "", "d"))
	other := arrival("a", "", "other")
	other.Event.Route = "invoices"
	s.wantReceipts(s.accept(st, other), s.took())
	if l := s.adds(st); l.Accepted != 1 {
		s.Fatalf("ledger = %+v", l)
	}
}

// acceptAfterSweep: retention may remove an event sooner than its id is forgotten.
func acceptAfterSweep(s *suite) {
	st := s.Open(s.T)
	at := s.Clock.Now()
	s.accept(st, arrival("a", "", "d"))
	s.settle(st, delivery.Done, time.Time{}, s.claim(st, 1)...)
	s.Clock.Advance(10 * time.Minute)
	swept, err := st.Sweep(s.ctx, contract.Retention{Payload: time.Minute, Metadata: time.Minute})
	if err != nil || swept != (contract.Swept{Payloads: 1, Records: 1}) {
		s.Fatalf("sweep = %+v, %v", swept, err)
	}
	for range 2 {
		s.wantReceipts(s.accept(st, arrival("a", "", "d")), route.Receipt{Duplicate: true, Accepted: at})
		s.wantReceipts(s.accept(st, arrival("a", "", "other")), route.Receipt{Conflict: true, Accepted: at})
		st = s.Crash(s.T, st)
	}
	s.Cleanup(func() { s.check(st.Close()) })
	if l := s.adds(st); l.Accepted != 1 || l.Delivered != 1 {
		s.Fatalf("ledger = %+v", l)
	}
}

func acceptForgets(s *suite) {
	st := s.open()
	s.accept(st, arrival("a", "", "d"), arrival("b", "", "d"))
	s.Clock.Advance(time.Hour - time.Microsecond)
	if r := s.accept(st, arrival("a", "", "other")); !r[0].Conflict {
		s.Fatalf("receipt just before the end = %+v", r[0])
	}
	s.Clock.Advance(time.Microsecond)
	s.wantReceipts(s.accept(st, arrival("a", "", "other")), s.took())
	swept, err := st.Sweep(s.ctx, contract.Retention{})
	if err != nil || swept != (contract.Swept{Keys: 1}) {
		s.Fatalf("sweep = %+v, %v; want the key of b gone", swept, err)
	}
	if r := s.accept(st, arrival("a", "", "other"), arrival("b", "", "other")); !r[0].Duplicate || r[1].Duplicate || r[1].Conflict {
		s.Fatalf("receipts after the sweep = %+v", r)
	}
	if l := s.adds(st); l.Accepted != 4 {
		s.Fatalf("ledger = %+v", l)
	}
}

func acceptMixed(s *suite) {
	st := s.open()
	at := s.Clock.Now()
	s.accept(st, arrival("known", "", "d"))
	s.Clock.Advance(time.Second)
	other := arrival("new 2", "", "d")
	other.Event.Route = "invoices"
	s.wantReceipts(s.accept(st,
		arrival("new 1", "", "d"), arrival("known", "", "d"), other, arrival("known", "", "x"),
		route.Arrival{Event: ev("known", "")}, arrival("new 1", "", "d"), arrival("new 3", "", "d")),
		s.took(), route.Receipt{Duplicate: true, Accepted: at}, s.took(), route.Receipt{Conflict: true, Accepted: at},
		s.took(), route.Receipt{Duplicate: true, Accepted: s.Clock.Now()}, s.took())
	if got := ids(s.claimAll(st, 4)); !cmp.Equal(got, []string{"known", "new 1", "known", "new 3"}) {
		s.Fatalf("claimed %v", got)
	}
	s.nothing(st, false)
}

func acceptRace(s *suite) {
	st := s.open()
	stores := []contract.Store{st}
	if s.Shared {
		stores = append(stores, s.open())
	}
	const callers, each = 16, 8
	first := make([]int, each)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				receipts, err := intake(stores[c%len(stores)]).Accept(s.ctx, []route.Arrival{
					arrival(fmt.Sprint("a", i), "", "d"), arrival(fmt.Sprint("own ", c, " ", i), "", "d"),
				})
				if err != nil || receipts[1].Duplicate || receipts[0].Conflict {
					s.Errorf("%+v, %v", receipts, err)
					return
				}
				if !receipts[0].Duplicate {
					mu.Lock()
					first[i]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for i, n := range first {
		if n != 1 {
			s.Errorf("%d callers were the first with id %d", n, i)
		}
	}
	if l := s.adds(st); l.Accepted != each*(callers+1) || l.Duplicates != each*(callers-1) {
		s.Fatalf("ledger = %+v", l)
	}
}

// acceptMany goes through whatever an engine does with ids that have become many.
func acceptMany(s *suite) {
	st := s.Open(s.T)
	const calls, each = 30, 50
	batch := func(n int) []route.Arrival {
		arrivals := make([]route.Arrival, each)
		for i := range arrivals {
			arrivals[i] = arrival(fmt.Sprint(n, " ", i), "", fmt.Sprint(n, " digest ", i))
		}
		return arrivals
	}
	check := func(upTo int) {
		s.Helper()
		for n := range upTo {
			for i, r := range s.accept(st, batch(n)...) {
				if !r.Duplicate {
					s.Fatalf("id %d of call %d is not known: %+v", i, n, r)
				}
			}
		}
	}
	for n := range calls {
		s.accept(st, batch(n)...)
	}
	check(calls)
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	check(calls)
	if l := s.adds(st); l.Accepted != calls*each || l.Waiting != calls*each {
		s.Fatalf("ledger = %+v", l)
	}
	s.Clock.Advance(time.Hour)
	if _, err := st.Sweep(s.ctx, contract.Retention{}); err != nil {
		s.Fatal(err)
	}
	for _, r := range s.accept(st, batch(0)...) {
		if r.Duplicate || r.Conflict {
			s.Fatalf("receipt after the end = %+v", r)
		}
	}
}

func acceptFreesClaim(s *suite) {
	st := s.open()
	for _, ordered := range []bool{false, true} {
		got := make(chan []delivery.Claimed)
		go func() {
			claims, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Ordered: ordered, Owner: "test", Lease: lease})
			if err != nil {
				s.Error(err)
			}
			got <- claims
		}()
		id := fmt.Sprint("ordered: ", ordered)
		s.accept(st, arrival(id, "", "d"))
		claims := <-got
		if !cmp.Equal(ids(claims), []string{id}) {
			s.Fatalf("claimed %v", ids(claims))
		}
		s.settle(st, delivery.Done, time.Time{}, claims...)
	}
}

func acceptOrdered(s *suite) {
	st := s.open()
	s.accept(st, arrival("a1", "a", ""), arrival("b1", "b", ""), arrival("a2", "a", ""))
	s.accept(st, arrival("a3", "a", ""))
	claims := s.claim(st, 9, 2)
	if !cmp.Equal(ids(claims), []string{"a1", "b1", "a2"}) {
		s.Fatalf("claimed %v", ids(claims))
	}
	s.nothing(st, true)
	s.settle(st, delivery.Done, time.Time{}, claims...)
	if got := ids(s.claim(st, 9, 2)); !cmp.Equal(got, []string{"a3"}) {
		s.Fatalf("claimed %v", got)
	}
}

func acceptNoID(s *suite) {
	st := s.open()
	_, err := intake(st).Accept(s.ctx, []route.Arrival{arrival("a", "", ""), arrival("", "", "")})
	if e := (*event.Error)(nil); !errors.Is(err, contract.ErrNoID) || !errors.As(err, &e) || e.Happened != event.HappenedNo || e.Hint == "" {
		s.Fatalf("accept without id = %v", err)
	}
	if l := s.adds(st); l.Accepted != 0 {
		s.Fatalf("ledger = %+v", l)
	}
	s.wantReceipts(s.accept(st, route.Arrival{Event: ev("", "")}), s.took())
}

func acceptNothing(s *suite) {
	st := s.open()
	s.wantReceipts(s.accept(st), []route.Receipt{}...)
	if l := s.adds(st); l.Accepted != 0 {
		s.Fatalf("ledger = %+v", l)
	}
}

func acceptCancelled(s *suite) {
	st := s.open()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := intake(st).Accept(ctx, []route.Arrival{arrival("a", "", "")})
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Fatalf("accept = %v, want nil or context.Canceled", err)
	}
	if got, want := s.adds(st).Accepted, map[bool]int64{true: 1, false: 0}[err == nil]; got != want {
		s.Fatalf("accept said %v, but accepted %d", err, got)
	}
}
