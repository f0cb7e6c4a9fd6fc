package subscription_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

// whole is a route that takes transactions.
type whole struct{ keep }

func (whole) Grouped() bool { return true }

// changed returns the changes of a transaction, numbered from a number on.
func changed(key string, from, n int) []event.Event {
	all := make([]event.Event, n)
	for i := range all {
		all[i] = event.Event{
			ID: fmt.Sprintf("%s-%d", key, from+i), Source: "salesforce/00D/data/ChangeEvents", Type: "com.salesforce.change.Account.update",
			Subject: fmt.Sprintf("001%015d", i), Time: time.Now().UTC(),
			Data: fmt.Appendf(nil, `{"header":{"transactionKey":%q,"sequenceNumber":%d,"commitTimestamp":"2026-01-02T03:04:05.000Z","commitUser":"005"},"fields":{}}`, key, from+i),
		}
	}
	return all
}

// transaction is a group as the application reads it.
type transaction struct {
	Key         string `json:"transactionKey"`
	Commit      string `json:"commitTimestamp"`
	User        string `json:"commitUser"`
	First, Last int
	End         bool
	Changes     []string
}

func transactions(t *testing.T, journal *subscriptiontest.Journal, route string) (all []transaction) {
	t.Helper()
	for _, e := range journal.All() {
		if e.Route != route {
			continue
		}
		var d struct {
			Key     string `json:"transactionKey"`
			Commit  string `json:"commitTimestamp"`
			User    string `json:"commitUser"`
			First   int    `json:"firstSequence"`
			End     int    `json:"lastSequence"`
			Last    bool   `json:"last"`
			Count   int    `json:"count"`
			Changes []struct {
				ID   string
				Data struct {
					Header struct{ TransactionKey string }
				}
			} `json:"changes"`
		}
		if err := json.Unmarshal(e.Data, &d); err != nil || e.Type != event.TypeTransaction || d.Count != len(d.Changes) {
			t.Fatalf("%s of type %s: %v", e.Data, e.Type, err)
		}
		tx := transaction{Key: d.Key, Commit: d.Commit, User: d.User, First: d.First, Last: d.End, End: d.Last}
		for _, c := range d.Changes {
			tx.Changes = append(tx.Changes, c.ID)
		}
		all = append(all, tx)
	}
	return all
}

func group(key string, first, last int, end bool) transaction {
	tx := transaction{Key: key, Commit: "2026-01-02T03:04:05.000Z", User: "005", First: first, Last: last, End: end}
	for i := first; i <= last; i++ {
		tx.Changes = append(tx.Changes, fmt.Sprintf("%s-%d", key, i))
	}
	return tx
}

func (r *rig) wantTransactions(want ...transaction) {
	r.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, transactions(r.t, r.journal, "groups")); diff != "" {
		r.t.Errorf("transactions (-want +have):\n%s", diff)
	}
}

func newGroupRig(t *testing.T, cfg subscription.Config, more ...subscription.Route) *rig {
	t.Helper()
	cfg.Earliest = true
	return newRig(t, cfg, append([]subscription.Route{whole{keep{name: "groups"}}}, more...)...)
}

// A transaction is handed over when the next one begins, wherever the batches of the stream
// were cut, or when the topic is quiet; a route beside gets the changes one by one.
func TestGroups_ATransactionIsOneEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newGroupRig(t, subscription.Config{}, keep{name: "singles"})
		r.bus.Credit = 3
		a, b := changed("a", 1, 4), changed("b", 1, 5)
		r.bus.Publish(append(a, b...)...)
		r.start()
		defer r.halt()
		r.wantTransactions(group("a", 1, 4, true))
		r.wantStored("singles", append(a, b...))
		time.Sleep(2100 * time.Millisecond)
		r.wantTransactions(group("a", 1, 4, true), group("b", 1, 5, true))
		all := r.journal.All()
		first := slices.IndexFunc(all, func(e event.Event) bool { return e.Type == event.TypeTransaction })
		if e := all[first]; !strings.HasPrefix(e.ID, "a/") || e.Key != e.Source || e.Subject != "" {
			t.Errorf("event %+v", e)
		}
	})
}

// The position never passes a change that is held: after a kill at any point all of
// a transaction comes again, and what was handed over does not.
func TestGroups_ThePositionWaitsForTheWholeTransaction(t *testing.T) {
	t.Parallel()
	for cut := 1; cut < 9; cut++ {
		synctest.Test(t, func(t *testing.T) {
			r := newGroupRig(t, subscription.Config{})
			r.bus.Credit = 2
			all := slices.Concat(changed("a", 1, 4), changed("b", 1, 3), changed("c", 1, 2))
			r.bus.Publish(all[:cut]...)
			r.start()
			cp, err := r.journal.Checkpoint(t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			stored := 0
			for _, tx := range transactions(t, r.journal, "groups") {
				stored += len(tx.Changes)
			}
			if want := r.bus.At(stored - 1); stored > 0 && string(cp.Position) != string(want) || stored == 0 && cp.Position != nil {
				t.Errorf("cut at %d: position %x, but %d changes were handed over", cut, []byte(cp.Position), stored)
			}
			r.halt()
			r = r.with(subscription.Config{Earliest: true}, whole{keep{name: "groups"}})
			r.bus.Publish(all[cut:]...)
			r.start()
			time.Sleep(3 * time.Second)
			r.wantTransactions(group("a", 1, 4, true), group("b", 1, 3, true), group("c", 1, 2, true))
			r.halt()
		})
	}
}

// A transaction beyond the bound comes in several groups, of which only the last
// says that it is; memory holds no more than one.
func TestGroups_ALongTransactionIsSplitAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]subscription.Config{"count": {GroupMax: 4}, "bytes": {GroupBytes: 4 * 500}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newGroupRig(t, cfg)
				r.bus.Publish(append(changed("long", 1, 8), changed("next", 1, 1)...)...)
				r.start()
				defer r.halt()
				synctest.Wait()
				got := transactions(t, r.journal, "groups")
				if cfg.GroupMax > 0 {
					r.wantTransactions(group("long", 1, 4, false), group("long", 5, 8, true))
				}
				for i, tx := range got {
					if tx.End != (i == len(got)-1) {
						t.Errorf("group %d of %d: last is %v", i, len(got), tx.End)
					}
				}
				if len(got) < 2 || got[len(got)-1].Last != 8 {
					t.Errorf("groups %+v", got)
				}
			})
		})
	}
}

// A transaction that pauses for longer than the quiet time comes in two groups; when
// it is read again in one piece, the whole has an id of its own, so nothing is lost.
func TestGroups_ReadAgainInOtherPiecesLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newGroupRig(t, subscription.Config{})
		all := changed("a", 1, 5)
		r.bus.Publish(all[:2]...)
		r.start()
		time.Sleep(3 * time.Second)
		r.wantTransactions(group("a", 1, 2, true))
		r.halt()
		r.bus.Migrate() // all positions are unknown
		r.bus.Publish(all[2:]...)
		r = r.with(subscription.Config{Earliest: true}, whole{keep{name: "groups"}})
		r.start()
		time.Sleep(3 * time.Second)
		r.wantTransactions(group("a", 1, 2, true), group("a", 1, 5, true))
		r.halt()
		r.bus.Migrate()
		r = r.with(subscription.Config{Earliest: true}, whole{keep{name: "groups"}})
		r.start()
		time.Sleep(3 * time.Second)
		r.wantTransactions(group("a", 1, 2, true), group("a", 1, 5, true)) // the same pieces: the same id
		r.halt()
	})
}

// A store that is slow is not a quiet topic: the transaction stays in one piece.
func TestGroups_OurOwnSlownessIsNoQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newGroupRig(t, subscription.Config{MaxEvents: 1}, keep{name: "singles"})
		r.bus.Credit = 1
		release := r.journal.Hold()
		all := changed("a", 1, 6)
		r.bus.Publish(all...)
		r.start()
		time.Sleep(time.Minute)
		release()
		time.Sleep(3 * time.Second)
		r.wantTransactions(group("a", 1, 6, true))
		r.halt()
	})
}

// Keep-alives end no transaction, and a broken stream hands over no part of one.
func TestGroups_WhatIsHeldSurvivesTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newGroupRig(t, subscription.Config{GroupQuiet: 10 * time.Second})
		r.bus.KeepAlive = 2 * time.Second
		all := changed("a", 1, 4)
		r.bus.Publish(all[:2]...)
		r.start()
		time.Sleep(5 * time.Second)
		r.wantTransactions()
		r.bus.Break(errors.New("reset"))
		time.Sleep(5 * time.Second)
		r.wantTransactions()
		r.bus.Publish(all[2:]...)
		time.Sleep(15 * time.Second)
		r.wantTransactions(group("a", 1, 4, true))
		if p := r.sub.Status().Position; p == "" {
			t.Error("no position after the transaction")
		}
		r.halt()
	})
}

// What was rebuilt belongs to no transaction that is known: it comes as groups of
// one, in its place in the stream.
func TestGroups_RefilledChangesComeAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal, bus := subscriptiontest.NewJournal(), subscriptiontest.NewBus()
		refiller := subscriptiontest.NewRefiller(func(event.Span) []event.Event { return nil })
		refiller.OnRefetch(func(e event.Event) ([]event.Event, error) {
			return []event.Event{{ID: "state", Type: "com.salesforce.change.Account.update", Subject: e.Subject, Time: e.Time, Data: []byte(`{"header":{},"fields":{}}`)}}, nil
		})
		sub, err := subscription.New(subscription.Config{Topic: topic, Holder: "one", Earliest: true}, subscription.Deps{
			Source: bus, Refiller: refiller, Journal: journal, Leases: journal,
			Routes: []subscription.Route{whole{keep{name: "groups"}}}, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t, journal: journal, bus: bus, sub: sub, done: make(chan error, 1)}
		all := changed("a", 1, 4)
		all[1].Type, all[1].Subject = "com.salesforce.change.Account.gap-update", "001000000000000AAA"
		bus.Publish(all...)
		r.start()
		defer r.halt()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		got := transactions(t, journal, "groups")
		if len(got) != 3 || got[0].End || !got[2].End || !slices.Equal(got[1].Changes, []string{"state"}) || got[2].First != 3 {
			t.Errorf("transactions %+v", got)
		}
		if e := journal.All()[1]; e.ID != "state" || !e.Refilled {
			t.Errorf("refilled event %+v", e)
		}
	})
}

// An overflow ends the stream for its refill. The transaction that came in the same
// batch is held, and does not make the overflow come again, with a gap of its own each time.
func TestGroups_AnOverflowBeforeATransactionIsOneGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal, bus := subscriptiontest.NewJournal(), subscriptiontest.NewBus()
		refiller := subscriptiontest.NewRefiller(func(event.Span) []event.Event { return nil })
		sub, err := subscription.New(subscription.Config{Topic: topic, Holder: "one", Earliest: true}, subscription.Deps{
			Source: bus, Refiller: refiller, Journal: journal, Leases: journal,
			Routes: []subscription.Route{whole{keep{name: "groups"}}}, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t, journal: journal, bus: bus, sub: sub, done: make(chan error, 1)}
		bus.Publish(slices.Concat(changed("a", 1, 2), []event.Event{gapEvent("flood", "overflow", "")}, changed("b", 1, 2))...)
		r.start()
		defer r.halt()
		time.Sleep(5 * time.Second)
		r.wantTransactions(group("a", 1, 2, true), group("b", 1, 2, true))
		gaps, err := journal.Gaps(t.Context(), topic)
		if err != nil || len(gaps) != 1 || gaps[0].State != subscription.GapRefilled {
			t.Errorf("gaps %+v, %v, want one, refilled", gaps, err)
		}
	})
}
