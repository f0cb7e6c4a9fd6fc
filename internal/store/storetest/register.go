package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var registerTests = []test{
	{"Register_AnEndIsEnteredOnce", registerOnce},
	{"Register_DeadLettersWaitAgainAndMayBeDelivered", registerDead},
	{"Register_KeepsTheWholeRecord", registerRecord},
	{"Register_ManyPostersCountEachEventOnce", registerRace},
	{"Register_RetentionKeepsTheCounts", registerSweep},
	{"Register_ListsNewestFirst", registerList},
}

func entryOf(id string, state delivery.State) contract.Entry {
	return contract.Entry{Copy: "copy of " + id, Record: delivery.Record{State: state, Event: event.Event{ID: id}}}
}

// post posts entries of one route and returns which were entered.
func (s *suite) post(st contract.Store, route string, entries ...contract.Entry) []bool {
	s.Helper()
	entered, err := st.Post(s.ctx, []contract.Posting{{Route: route, Entries: entries}})
	s.check(err)
	return entered[0]
}

func (s *suite) wantAccounts(st contract.Store, want ...contract.Account) {
	s.Helper()
	got, err := st.Accounts(s.ctx)
	s.check(err)
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("accounts differ (-want +got):\n%s", diff)
	}
	findings, err := st.AuditRegister(s.ctx)
	s.check(err)
	if len(findings) != 0 {
		s.Fatalf("audit finds %+v", findings)
	}
}

func (s *suite) wantEntered(got []bool, want ...bool) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("entered differs (-want +got):\n%s", diff)
	}
}

func registerOnce(s *suite) {
	st := s.Open(s.T)
	entered, err := st.Post(s.ctx, []contract.Posting{
		{Route: "orders", Confirmed: 3, Duplicates: 1, Redelivered: 2, Entries: []contract.Entry{
			entryOf("a", delivery.Delivered), entryOf("b", delivery.Waiting), entryOf("a", delivery.Delivered), entryOf("b", delivery.Delivered),
		}},
		{Route: "other", Confirmed: 1},
	})
	s.check(err)
	s.wantEntered(entered[0], true, true, false, true)
	s.wantEntered(s.post(st, "orders", entryOf("a", delivery.DeadState), entryOf("a", delivery.Waiting)), false, false)
	s.wantEntered(s.post(st, "other", entryOf("a", delivery.DeadState)), true)
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	s.wantAccounts(st,
		contract.Account{Route: "orders", Confirmed: 3, Delivered: 2, Duplicates: 1, Redelivered: 2},
		contract.Account{Route: "other", Confirmed: 1, Dead: 1})
}

func registerDead(s *suite) {
	st := s.open()
	s.post(st, "orders", entryOf("a", delivery.DeadState), entryOf("b", delivery.DeadState))
	again := entryOf("a", delivery.Waiting)
	s.wantEntered(s.post(st, "orders", again), false)
	again.Redrive = true
	s.wantEntered(s.post(st, "orders", again, again), true, true)
	s.wantAccounts(st, contract.Account{Route: "orders", Dead: 1})
	s.wantEntered(s.post(st, "orders", entryOf("a", delivery.Delivered), entryOf("b", delivery.Delivered)), true, true)
	s.wantAccounts(st, contract.Account{Route: "orders", Delivered: 2})
	s.wantEntered(s.post(st, "orders", again), false)
}

func registerRecord(s *suite) {
	st := s.Open(s.T)
	at := s.Clock.Now()
	e := contract.Entry{Copy: "c\x00py", Digest: []byte{0, 1}, Record: delivery.Record{
		State: delivery.Waiting, Accepted: at, Due: at.Add(time.Minute), Attempts: 2, Redelivered: 1,
		Event: event.Event{
			ID: "é\x00", Route: "orders", Source: "salesforce/x", Type: "t", Subject: "001", Time: at, Key: "k", OrgID: "o", Refilled: true, TraceParent: "00-1",
		},
		History: []delivery.Attempt{{Number: 1, Started: at, Ended: at.Add(time.Second), Outcome: event.Outcome{
			Verdict: event.Retry, Status: 500, Happened: event.HappenedYes, After: time.Second, Reason: "why", Hint: "do",
		}}},
	}}
	s.post(st, "orders", e)
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	known, err := st.Look(s.ctx, "orders", []string{"é\x00", "nobody"})
	s.check(err)
	want := e.Record
	want.LastOutcome = want.History[0].Outcome
	got, ok := known["é\x00"]
	want.Seq = got.Record.Seq
	if diff := cmp.Diff(contract.Known{State: delivery.Waiting, Copy: e.Copy, Digest: e.Digest, Record: want}, got); !ok || diff != "" || len(known) != 1 {
		s.Fatalf("known %d, differs (-want +got):\n%s", len(known), diff)
	}
	found, err := st.FindRegistered(s.ctx, "é\x00")
	s.check(err)
	if diff := cmp.Diff([]delivery.Record{want}, found); diff != "" {
		s.Fatalf("found differs (-want +got):\n%s", diff)
	}
	if known, err := st.Look(s.ctx, "other", []string{"é\x00"}); err != nil || len(known) != 0 {
		s.Fatalf("another route knows %v, %v", known, err)
	}
}

func registerRace(s *suite) {
	st := s.open()
	const posters, events = 8, 40
	var entered atomic.Int64
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			var entries []contract.Entry
			for i := range events {
				entries = append(entries, entryOf(fmt.Sprintf("e%d", (i*(p+1)+p)%events), delivery.Delivered))
			}
			for from := 0; from < events; from += 10 {
				got, err := st.Post(s.ctx, []contract.Posting{{Route: "orders", Confirmed: 1, Entries: entries[from : from+10]}})
				if err != nil {
					s.Error(err)
					return
				}
				for _, yes := range got[0] {
					if yes {
						entered.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	accounts, err := st.Accounts(s.ctx)
	s.check(err)
	if entered.Load() != accounts[0].Delivered || accounts[0].Delivered != events {
		s.Fatalf("%d entered, account %+v, want %d", entered.Load(), accounts[0], events)
	}
	s.wantAccounts(st, contract.Account{Route: "orders", Confirmed: posters * events / 10, Delivered: events})
}

func registerSweep(s *suite) {
	st := s.open()
	s.post(st, "orders", entryOf("a", delivery.Delivered), entryOf("b", delivery.DeadState), entryOf("c", delivery.Waiting))
	s.Clock.Advance(time.Hour)
	s.post(st, "orders", entryOf("d", delivery.Delivered))
	swept, err := st.Sweep(s.ctx, contract.Retention{Metadata: time.Hour})
	if err != nil || swept.Records != 1 {
		s.Fatalf("sweep = %+v, %v", swept, err)
	}
	s.wantAccounts(st, contract.Account{Route: "orders", Delivered: 2, Dead: 1, Purged: 1})
	known, err := st.Look(s.ctx, "orders", []string{"a", "b", "c", "d"})
	if err != nil || len(known) != 3 || known["a"].State != "" {
		s.Fatalf("known %v, %v", known, err)
	}
}

func registerList(s *suite) {
	st := s.open()
	for i := range 5 {
		state := delivery.Delivered
		if i%2 == 0 {
			state = delivery.DeadState
		}
		s.post(st, "orders", entryOf(fmt.Sprint(i), state))
	}
	s.post(st, "other", entryOf("x", delivery.DeadState))
	var got []string
	filter := delivery.ListFilter{Route: "orders", State: delivery.DeadState, Limit: 2}
	for {
		page, err := st.ListRegistered(s.ctx, filter)
		s.check(err)
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			got = append(got, r.Event.Route+"/"+r.Event.ID)
			filter.Before = r.Seq
		}
	}
	if diff := cmp.Diff([]string{"orders/4", "orders/2", "orders/0"}, got); diff != "" {
		s.Fatalf("listed differs (-want +got):\n%s", diff)
	}
	all, err := st.ListRegistered(s.ctx, delivery.ListFilter{Limit: 10})
	if err != nil || len(all) != 6 {
		s.Fatalf("%d listed, %v", len(all), err)
	}
}
