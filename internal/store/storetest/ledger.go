package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var ledgerTests = []test{
	{"Audit_FindsALostRecord", auditFinds(LoseRecord, "accepted 5, but found 4")},
	{"Audit_FindsAFalseDelivery", auditFinds(MarkDelivered, "delivered 1, but found 2")},
	{"Audit_FindsAFalseCount", auditFinds(InflateAccepted, "accepted 10, but found 5")},
	{"Audit_FindsAFalseRedelivery", auditFinds(InflateRedelivered, "redelivered 1, but found 0")},
	{"Audit_FindsALostPayload", auditFinds(LosePayload, "1 waiting or dead events have lost their payload")},
	{"Depths_AgreeWithTheLedgers", depths},
	{"Ended_TellsOfTheNewestOfAnID", ended},
	{"Standings_TellOfTheNewestOfAnID", standings},
	{"Sweep_RemovesPayloadsBeforeRecords", sweepRetention},
	{"Sweep_KeepsWhatIsWaitingOrDead", sweepKeeps},
	{"Sweep_KeepsTheSequenceRising", sweepSequence},
	{"Sweep_RemovesRecordsBesideOthers", sweepBeside},
}

// depths compares the cheap count with the counted one, in every state of events.
func depths(s *suite) {
	st := s.open()
	s.append(st, evs("a", 9)...)
	claims := s.claimAll(st, 4)
	s.settle(st, delivery.Done, time.Time{}, claims[:2]...)
	s.settle(st, delivery.Dead, time.Time{}, claims[2])
	s.settle(st, delivery.Again, time.Time{}, claims[3])
	l := s.adds(st)
	got, err := st.Depths(s.ctx)
	s.check(err)
	want := []delivery.Depth{{Route: orders, Waiting: 6, Ended: 3}}
	if diff := cmp.Diff(want, got); diff != "" || l.Waiting != 6 {
		s.Fatalf("ledger %+v, depths (-want +got):\n%s", l, diff)
	}
}

// ended asks about events in every state, and one whose id was used again.
func ended(s *suite) {
	st := s.open()
	s.append(st, evs("a", 6)...)
	claims := s.claimAll(st, 4)
	s.settle(st, delivery.Done, time.Time{}, claims[:2]...)
	s.settle(st, delivery.Dead, time.Time{}, claims[2])
	s.settle(st, delivery.Again, time.Time{}, claims[3])
	s.append(st, event.Event{ID: claims[0].Event.ID, Route: orders})
	ids := []string{"unknown", ""}
	for _, c := range claims {
		ids = append(ids, c.Event.ID)
	}
	got, err := st.Ended(s.ctx, orders, ids)
	s.check(err)
	slices.Sort(got)
	if diff := cmp.Diff([]string{claims[1].Event.ID, claims[2].Event.ID}, got); diff != "" {
		s.Fatalf("ended (-want +got):\n%s", diff)
	}
	if got, err := st.Ended(s.ctx, "another", ids); err != nil || len(got) != 0 {
		s.Fatalf("ended of a route without events: %v, %v", got, err)
	}
}

// standings asks about events in every state, one whose id was used again, and one id
// on two routes.
func standings(s *suite) {
	st := s.open()
	s.append(st, evs("a", 6)...)
	first := s.Clock.Now()
	claims := s.claimAll(st, 5)
	s.settle(st, delivery.Done, time.Time{}, claims[:2]...)
	s.settle(st, delivery.Dead, time.Time{}, claims[2])
	s.settle(st, delivery.Again, time.Time{}, claims[3])
	s.Clock.Advance(time.Minute)
	again, elsewhere := claims[0].Event.ID, claims[1].Event.ID
	s.append(st, event.Event{ID: again, Route: orders}, event.Event{ID: elsewhere, Route: "another"}, event.Event{ID: "é\x00", Route: orders})
	later := s.Clock.Now()
	ids := []string{"unknown", "", "é\x00"}
	for _, c := range claims {
		ids = append(ids, c.Event.ID)
	}
	want := map[string]contract.Standing{
		again: stands(delivery.Waiting, later), elsewhere: stands(delivery.Delivered, first), claims[2].Event.ID: stands(delivery.DeadState, first),
		claims[3].Event.ID: stands(delivery.Waiting, first), claims[4].Event.ID: stands(delivery.Waiting, first), "é\x00": stands(delivery.Waiting, later),
	}
	for _, c := range []struct {
		route string
		ids   []string
		want  map[string]contract.Standing
	}{
		{orders, ids, want},
		{"another", ids, map[string]contract.Standing{elsewhere: stands(delivery.Waiting, later)}},
		{"none", ids, map[string]contract.Standing{}},
		{orders, nil, map[string]contract.Standing{}},
	} {
		got, err := st.Standings(s.ctx, c.route, c.ids)
		s.check(err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			s.Fatalf("of route %s (-want +got):\n%s", c.route, diff)
		}
	}
}

func stands(state delivery.State, accepted time.Time) contract.Standing {
	return contract.Standing{State: state, Accepted: accepted}
}

// auditFinds tampers with a clean store and expects the audit to say so.
func auditFinds(how Tampering, what string) func(*suite) {
	return func(s *suite) {
		st := s.open()
		s.append(st, evs("a", 5)...)
		s.settle(st, delivery.Done, time.Time{}, s.claim(st, 1)...)
		s.adds(st)
		s.Tamper(s.T, how)
		findings, err := st.Audit(s.ctx)
		s.check(err)
		for _, f := range findings {
			if f.Route == orders && strings.Contains(f.What, what) {
				return
			}
		}
		s.Fatalf("audit after %q found %v, want %q", how, findings, what)
	}
}

func sweepRetention(s *suite) {
	st := s.open()
	s.append(st, evs("a", 3)...)
	claims := s.claimAll(st, 3)
	s.settle(st, delivery.Done, time.Time{}, claims[0])
	s.Clock.Advance(time.Hour)
	s.settle(st, delivery.Again, time.Time{}, claims[1:]...)
	s.settle(st, delivery.Done, time.Time{}, s.claimAll(st, 2)...)
	keep := contract.Retention{Payload: 2 * time.Hour, Metadata: 24 * time.Hour}
	sweep := func(want contract.Swept) {
		s.Helper()
		if got, err := st.Sweep(s.ctx, keep); err != nil || got != want {
			s.Fatalf("sweep = %+v, %v; want %+v", got, err, want)
		}
		if l := s.adds(st); l.Accepted != 3 || l.Delivered != 3 {
			s.Fatalf("ledger = %+v", l)
		}
	}
	sweep(contract.Swept{})
	s.Clock.Advance(time.Hour + time.Minute)
	sweep(contract.Swept{Payloads: 1})
	if rec := s.find(st, "a-000"); rec.Event.Data != nil || rec.Event.Subject == "" || rec.State != delivery.Delivered {
		s.Fatalf("record without payload = %+v", rec)
	}
	if rec := s.find(st, "a-001"); rec.Event.Data == nil {
		s.Fatal("payload removed too early")
	}
	s.Clock.Advance(time.Hour)
	sweep(contract.Swept{Payloads: 2})
	s.Clock.Advance(24 * time.Hour)
	sweep(contract.Swept{Records: 3})
	if records, err := st.List(s.ctx, delivery.ListFilter{Limit: 9}); err != nil || len(records) != 0 {
		s.Fatalf("after a sweep listed %v, %v", records, err)
	}
	sweep(contract.Swept{})
}

func sweepKeeps(s *suite) {
	st := s.open()
	s.append(st, evs("a", 3)...)
	claims := s.claimAll(st, 3)
	s.settle(st, delivery.Dead, time.Time{}, claims[0])
	s.settle(st, delivery.Again, time.Time{}, claims[1])
	s.Clock.Advance(1000 * time.Hour)
	got, err := st.Sweep(s.ctx, contract.Retention{Payload: time.Minute, Metadata: time.Minute})
	if err != nil || got != (contract.Swept{}) {
		s.Fatalf("sweep = %+v, %v", got, err)
	}
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{}); err != nil || n != 1 {
		s.Fatalf("redrive = %d, %v", n, err)
	}
	for _, c := range s.claimAll(st, 3) {
		if len(c.Event.Data) == 0 {
			s.Fatalf("%s has lost its payload", c.Event.ID)
		}
	}
	s.adds(st)
}

// sweepBeside: what came together with events that wait or are dead goes
// without them, and they stay whole.
func sweepBeside(s *suite) {
	st := s.Open(s.T)
	s.append(st, evs("a", 5)...)
	claims := s.claimAll(st, 5)
	s.settle(st, delivery.Done, time.Time{}, claims[0], claims[3])
	s.settle(st, delivery.Dead, time.Time{}, claims[1])
	s.settle(st, delivery.Again, time.Time{}, claims[2], claims[4])
	s.Clock.Advance(time.Hour)
	keep := contract.Retention{Payload: time.Minute, Metadata: time.Minute}
	for _, want := range []contract.Swept{{Payloads: 2, Records: 2}, {}} {
		if got, err := st.Sweep(s.ctx, keep); err != nil || got != want {
			s.Fatalf("sweep = %+v, %v; want %+v", got, err, want)
		}
	}
	s.adds(st)
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	records, err := st.List(s.ctx, delivery.ListFilter{Limit: 9})
	if got := recordIDs(records); err != nil || !cmp.Equal(got, []string{"a-004", "a-002", "a-001"}) {
		s.Fatalf("listed %v, %v", got, err)
	}
	for _, id := range []string{"a-000", "a-003"} {
		if found, err := st.Find(s.ctx, id); err != nil || len(found) != 0 {
			s.Fatalf("found %+v, %v", found, err)
		}
	}
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{IDs: []string{"a-001"}}); err != nil || n != 1 {
		s.Fatalf("redrive = %d, %v", n, err)
	}
	rest := s.claimAll(st, 3)
	for i, id := range []string{"a-001", "a-002", "a-004"} {
		if want := ev(id, ""); rest[i].Event.ID != id || string(rest[i].Event.Data) != string(want.Data) {
			s.Fatalf("claimed %+v, want %s", rest[i].Event, id)
		}
	}
	s.settle(st, delivery.Done, time.Time{}, rest...)
	s.Clock.Advance(time.Hour)
	if got, err := st.Sweep(s.ctx, keep); err != nil || got != (contract.Swept{Payloads: 3, Records: 3}) {
		s.Fatalf("last sweep = %+v, %v", got, err)
	}
	if l := s.adds(st); l.Accepted != 5 || l.Delivered != 5 {
		s.Fatalf("ledger = %+v", l)
	}
}

func sweepSequence(s *suite) {
	st := s.Open(s.T)
	s.append(st, ev("a", ""))
	old := s.claim(st, 1)
	s.settle(st, delivery.Done, time.Time{}, old...)
	s.Clock.Advance(time.Hour)
	got, err := st.Sweep(s.ctx, contract.Retention{Payload: time.Minute, Metadata: time.Minute})
	if err != nil || got.Records != 1 || got.Payloads != 1 {
		s.Fatalf("sweep = %+v, %v", got, err)
	}
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	s.append(st, ev("b", ""))
	if c := s.claim(st, 1); c[0].Seq <= old[0].Seq || c[0].Token <= old[0].Token {
		s.Fatalf("after a sweep and a crash seq %d token %d, before %d and %d", c[0].Seq, c[0].Token, old[0].Seq, old[0].Token)
	}
	if l := s.adds(st); l.Accepted != 2 || l.Delivered != 1 {
		s.Fatalf("ledger = %+v", l)
	}
}
