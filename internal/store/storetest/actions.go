package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// orders is the route of most tests.
const orders = "orders"

// lease is long enough never to run out unless a test moves the clock.
const lease = time.Minute

// ev makes an event of route orders.
func ev(id, key string) event.Event {
	return event.Event{
		ID: id, Source: "salesforce/00D000000000001AAA/event/Order__e", Type: "com.salesforce.event.Order__e",
		Subject: "801000000000001AAA", Time: time.Date(2026, 2, 28, 23, 59, 59, 123_000_000, time.UTC),
		Key: key, OrgID: "00D000000000001AAA", Route: orders,
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Data:        []byte(`{"Number__c":"` + id + `"}`),
	}
}

// evs makes n events with the ids prefix-000, prefix-001, ... and no key.
func evs(prefix string, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = ev(fmt.Sprintf("%s-%03d", prefix, i), "")
	}
	return events
}

// append appends events without a subscription.
func (s *suite) append(st contract.Store, events ...event.Event) {
	s.Helper()
	s.check(st.Append(s.ctx, subscription.Append{Events: events}))
}

// claim claims from route orders, unordered unless run is given.
func (s *suite) claim(st contract.Store, limit int, run ...int) []delivery.Claimed {
	s.Helper()
	req := delivery.ClaimRequest{Route: orders, Max: limit, Run: 1, Owner: "test", Lease: lease}
	if len(run) > 0 {
		req.Ordered, req.Run = true, run[0]
	}
	claims, err := st.Claim(s.ctx, req)
	s.check(err)
	if len(claims) == 0 || len(claims) > limit {
		s.Fatalf("claimed %d events, want 1 to %d", len(claims), limit)
	}
	return claims
}

// claimAll claims until n events are in hand.
func (s *suite) claimAll(st contract.Store, n int) []delivery.Claimed {
	s.Helper()
	var all []delivery.Claimed
	for len(all) < n {
		all = append(all, s.claim(st, n-len(all))...)
	}
	return all
}

// nothing fails the test if there is something to claim.
func (s *suite) nothing(st contract.Store, ordered bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
	defer cancel()
	claims, err := st.Claim(ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Ordered: ordered, Owner: "test", Lease: lease})
	if !errors.Is(err, context.DeadlineExceeded) {
		s.Fatalf("claim of nothing = %v, %v; want deadline exceeded", ids(claims), err)
	}
}

// settle settles claims alike and expects none of them to be stale.
func (s *suite) settle(st contract.Store, do delivery.Disposition, due time.Time, claims ...delivery.Claimed) {
	s.Helper()
	stale, err := st.Settle(s.ctx, s.settlements(do, due, claims...))
	s.check(err)
	if len(stale) != 0 {
		s.Fatalf("stale settlements: %v", stale)
	}
}

func (s *suite) settlements(do delivery.Disposition, due time.Time, claims ...delivery.Claimed) []delivery.Settlement {
	settlements := make([]delivery.Settlement, len(claims))
	for i, c := range claims {
		settlements[i] = delivery.Settlement{
			Seq: c.Seq, Token: c.Token, Do: do, Due: due, Started: s.Clock.Now(), Ended: s.Clock.Now().Add(time.Second),
		}
		if do != delivery.Done {
			settlements[i].Outcome = event.Outcome{
				Verdict: event.Retry, After: 3 * time.Second, Status: 500, Happened: event.HappenedUnknown,
				Reason: "the application answered 500", Hint: "look at its log",
			}
		}
	}
	return settlements
}

// ledger returns the account of route orders.
func (s *suite) ledger(st contract.Store) delivery.Ledger {
	s.Helper()
	ledgers, err := st.Ledgers(s.ctx)
	s.check(err)
	for _, l := range ledgers {
		if l.Route == orders {
			return l
		}
	}
	return delivery.Ledger{Route: orders}
}

// adds fails the test unless the audit is clean and the ledger adds up.
func (s *suite) adds(st contract.Store) delivery.Ledger {
	s.Helper()
	findings, err := st.Audit(s.ctx)
	s.check(err)
	if len(findings) != 0 {
		s.Fatalf("audit: %v", findings)
	}
	l := s.ledger(st)
	if l.Accepted != l.Delivered+l.Dead+l.Waiting {
		s.Fatalf("ledger does not add up: %+v", l)
	}
	return l
}

// find returns the only record of an id.
func (s *suite) find(st contract.Store, id string) delivery.Record {
	s.Helper()
	records, err := st.Find(s.ctx, id)
	s.check(err)
	if len(records) != 1 {
		s.Fatalf("found %d records of %s, want 1", len(records), id)
	}
	return records[0]
}

func ids(claims []delivery.Claimed) []string {
	all := make([]string, len(claims))
	for i, c := range claims {
		all[i] = c.Event.ID
	}
	return all
}

func recordIDs(records []delivery.Record) []string {
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = r.Event.ID
	}
	return all
}
