package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// RunFollow runs the suite of what a settlement brings about.
func RunFollow(t *testing.T, start func(t *testing.T) *Harness) {
	t.Helper()
	runGroups(t, start, followTests)
}

var followTests = []test{
	{"Follow_LandsWithItsSettlement", followLands},
	{"Follow_MayStayInItsRoute", followOwnRoute},
	{"Follow_OfAStaleSettlementIsNothing", followStale},
	{"Follow_OutlivesACrash", followCrash},
	{"Follow_KnownIdsAreDuplicates", followKnown},
	{"Follow_IdsAreForgottenInTime", followForgets},
	{"Follow_WithoutIdIsAlwaysStored", followNoID},
	{"Follow_OfEveryEnd", followEveryEnd},
}

// answers is the route of followers.
const answers = "answers"

// follower makes an event of route answers.
func follower(id string) event.Event {
	e := ev(id, "")
	e.Route = answers
	return e
}

// settleWith settles one claim with followers and returns whether it was stale.
func (s *suite) settleWith(st contract.Store, do delivery.Disposition, c delivery.Claimed, follow ...event.Event) bool {
	s.Helper()
	settlements := s.settlements(do, time.Time{}, c)
	settlements[0].Follow = follow
	stale, err := st.Settle(s.ctx, settlements)
	s.check(err)
	return len(stale) == 1
}

// account returns the ledger of a route.
func (s *suite) account(st contract.Store, name string) delivery.Ledger {
	s.Helper()
	ledgers, err := st.Ledgers(s.ctx)
	s.check(err)
	for _, l := range ledgers {
		if l.Route == name {
			return l
		}
	}
	return delivery.Ledger{Route: name}
}

// claimAnswers claims n followers.
func (s *suite) claimAnswers(st contract.Store, n int) []delivery.Claimed {
	s.Helper()
	var all []delivery.Claimed
	for len(all) < n {
		claims, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: answers, Max: n - len(all), Run: 9, Ordered: true, Owner: "test", Lease: lease})
		s.check(err)
		all = append(all, claims...)
	}
	return all
}

func followLands(s *suite) {
	st := s.open()
	s.append(st, evs("a", 2)...)
	claims := s.claimAll(st, 2)
	want := follower("answer 1")
	want.Key = "one key"
	second := follower("answer 2")
	second.Key = "one key"
	if s.settleWith(st, delivery.Done, claims[0], want, second) {
		s.Fatal("the settlement was stale")
	}
	got := s.claimAnswers(st, 2)
	if diff := cmp.Diff([]event.Event{want, second}, []event.Event{got[0].Event, got[1].Event}); diff != "" {
		s.Fatalf("followers differ (-want +got):\n%s", diff)
	}
	if !got[0].Accepted.Equal(s.Clock.Now()) || got[0].Attempt != 1 {
		s.Fatalf("claim = %+v", got[0])
	}
	s.settle(st, delivery.Done, time.Time{}, append(got, claims[1])...)
	if l := s.adds(st); l.Delivered != 2 {
		s.Fatalf("ledger = %+v", l)
	}
	if l := s.account(st, answers); l.Accepted != 2 || l.Delivered != 2 || l.Waiting != 0 {
		s.Fatalf("ledger of the followers = %+v", l)
	}
}

func followOwnRoute(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	s.settleWith(st, delivery.Done, s.claim(st, 1)[0], ev("b", ""))
	if got := s.claim(st, 2); !cmp.Equal(ids(got), []string{"b"}) {
		s.Fatalf("claimed %v", ids(got))
	}
	if l := s.adds(st); l.Accepted != 2 || l.Delivered != 1 || l.Waiting != 1 {
		s.Fatalf("ledger = %+v", l)
	}
}

func followStale(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	old := s.claim(st, 1)[0]
	s.Clock.Advance(2 * lease)
	current := s.claim(st, 1)[0]
	if !s.settleWith(st, delivery.Done, old, follower("of the old claim")) {
		s.Fatal("the old claim still settled")
	}
	if l := s.account(st, answers); l.Accepted != 0 {
		s.Fatalf("a stale settlement brought about %+v", l)
	}
	s.settleWith(st, delivery.Done, current, follower("of the new claim"))
	if !s.settleWith(st, delivery.Done, current, follower("of the second settlement")) {
		s.Fatal("settled twice")
	}
	if got := s.claimAnswers(st, 1); got[0].Event.ID != "of the new claim" {
		s.Fatalf("claimed %v", ids(got))
	}
	if l := s.account(st, answers); l.Accepted != 1 {
		s.Fatalf("ledger of the followers = %+v", l)
	}
	s.adds(st)
}

func followCrash(s *suite) {
	st := s.Open(s.T)
	s.append(st, ev("a", ""))
	s.settleWith(st, delivery.Done, s.claim(st, 1)[0], follower("answer"))
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	if l := s.account(st, answers); l.Accepted != 1 || l.Waiting != 1 {
		s.Fatalf("ledger of the followers = %+v", l)
	}
	s.append(st, ev("b", ""))
	s.settleWith(st, delivery.Done, s.claim(st, 1)[0], follower("answer"))
	if l := s.account(st, answers); l.Accepted != 1 || l.Duplicates != 1 {
		s.Fatalf("ledger after the same answer again = %+v", l)
	}
	s.adds(st)
}

func followKnown(s *suite) {
	st := s.open()
	accepted := route.Arrival{Event: follower("accepted before"), Remember: time.Hour, Digest: []byte("d")}
	s.accept(st, accepted)
	s.append(st, evs("a", 2)...)
	claims := s.claimAll(st, 2)
	settlements := s.settlements(delivery.Done, time.Time{}, claims...)
	settlements[0].Follow = []event.Event{follower("new"), follower("accepted before"), follower("new")}
	settlements[1].Follow = []event.Event{follower("new"), follower("newer")}
	stale, err := st.Settle(s.ctx, settlements)
	s.check(err)
	if len(stale) != 0 {
		s.Fatalf("stale: %v", stale)
	}
	if l := s.account(st, answers); l.Accepted != 3 || l.Waiting != 3 || l.Duplicates != 3 {
		s.Fatalf("ledger of the followers = %+v", l)
	}
	// A follower's id is known to Accept as well.
	r := s.accept(st, route.Arrival{Event: follower("newer"), Remember: time.Minute, Digest: []byte("d")})
	s.wantReceipts(r, route.Receipt{Duplicate: true, Accepted: s.Clock.Now()})
	s.adds(st)
}

func followForgets(s *suite) {
	st := s.open()
	s.append(st, evs("a", 3)...)
	claims := s.claimAll(st, 3)
	s.check(extend(s, st, claims))
	s.settleWith(st, delivery.Done, claims[0], follower("answer"))
	s.Clock.Advance(contract.FollowMemory - time.Microsecond)
	s.settleWith(st, delivery.Done, claims[1], follower("answer"))
	if l := s.account(st, answers); l.Accepted != 1 || l.Duplicates != 1 {
		s.Fatalf("ledger just before the end = %+v", l)
	}
	s.Clock.Advance(time.Microsecond)
	s.settleWith(st, delivery.Done, claims[2], follower("answer"))
	if l := s.account(st, answers); l.Accepted != 2 || l.Duplicates != 1 {
		s.Fatalf("ledger after the end = %+v", l)
	}
}

// extend lets claims outlive what a follower is remembered.
func extend(s *suite, st contract.Store, claims []delivery.Claimed) error {
	_, err := st.Extend(s.ctx, claims, 2*contract.FollowMemory)
	return err
}

func followNoID(s *suite) {
	st := s.open()
	s.append(st, ev("a", ""))
	s.settleWith(st, delivery.Done, s.claim(st, 1)[0], follower(""), follower(""))
	if l := s.account(st, answers); l.Accepted != 2 || l.Duplicates != 0 {
		s.Fatalf("ledger of the followers = %+v", l)
	}
}

func followEveryEnd(s *suite) {
	st := s.open()
	s.append(st, evs("a", 3)...)
	for i, do := range []delivery.Disposition{delivery.Dead, delivery.Again, delivery.Release} {
		if s.settleWith(st, do, s.claim(st, 1)[0], follower([]string{"dead", "again", "release"}[i])) {
			s.Fatal("stale")
		}
	}
	if l := s.account(st, answers); l.Accepted != 3 {
		s.Fatalf("ledger of the followers = %+v", l)
	}
	s.adds(st)
}
