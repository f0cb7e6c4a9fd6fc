package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/pg"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func appendKeyed(t testing.TB, s contract.Store, n, keys int) {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.Event{ID: fmt.Sprint(i), Key: fmt.Sprint("key ", i%keys), Route: "orders", Data: []byte("{}"), Source: "s", Type: "t"}
	}
	if err := s.Append(t.Context(), subscription.Append{Subscription: "sub", Position: event.Position{1}, Events: events}); err != nil {
		t.Fatal(err)
	}
}

// TestClaim_OrderedAndUnorderedAtOnce is the moment in which a route's order
// changes while its processes are replaced: no event may be in two hands.
func TestClaim_OrderedAndUnorderedAtOnce(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	const n = 1500
	here := open(t, db)
	defer here.Close()
	appendKeyed(t, here, n, 60)
	var mu sync.Mutex
	inHand, ends := map[int64]bool{}, 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			s := here
			if worker%2 == 1 {
				s = open(t, db)
				defer s.Close()
			}
			for {
				claims, err := s.Claim(ctx, delivery.ClaimRequest{Route: "orders", Max: 40, Run: 3, Ordered: worker < 2, Lease: time.Minute})
				if errors.Is(err, context.Canceled) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, c := range claims {
					if inHand[c.Seq] {
						t.Errorf("event %d is in two hands", c.Seq)
					}
					inHand[c.Seq] = true
				}
				mu.Unlock()
				settlements := make([]delivery.Settlement, len(claims))
				for i, c := range claims {
					settlements[i] = delivery.Settlement{Seq: c.Seq, Token: c.Token, Do: delivery.Done}
				}
				if stale, err := s.Settle(t.Context(), settlements); err != nil || len(stale) > 0 {
					t.Errorf("settle = %v, %v", stale, err)
				}
				mu.Lock()
				if ends += len(claims); ends == n {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	clean(t, here, delivery.Ledger{Accepted: n, Delivered: n})
}

// clean checks the sums of a route, and that no lane is held by nobody.
func clean(t testing.TB, s contract.Store, want delivery.Ledger) {
	t.Helper()
	findings, err := s.Audit(t.Context())
	if err != nil || len(findings) > 0 {
		t.Errorf("audit = %v, %v", findings, err)
	}
	ledgers, err := s.Ledgers(t.Context())
	if err != nil || len(ledgers) != 1 {
		t.Fatalf("ledgers = %v, %v", ledgers, err)
	}
	if l := ledgers[0]; l.Accepted != want.Accepted || l.Delivered != want.Delivered || l.Waiting != want.Waiting {
		t.Errorf("ledger = %+v, want %+v", l, want)
	}
}

// TestClaim_TakesOverFromTheOtherKindOfClaim lets the leases of one kind of claim
// run out, and the other kind take over.
func TestClaim_TakesOverFromTheOtherKindOfClaim(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"an ordered claim": true, "an unordered claim": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := harness(t)
			s := h.Open(t)
			defer s.Close()
			appendKeyed(t, s, 12, 3)
			claim := func(ordered bool) []delivery.Claimed {
				claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 12, Run: 4, Ordered: ordered, Lease: time.Minute})
				if err != nil || len(claims) != 12 {
					t.Fatalf("claimed %d, %v", len(claims), err)
				}
				return claims
			}
			settle := func(c delivery.Claimed, do delivery.Disposition) bool {
				stale, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: c.Seq, Token: c.Token, Do: do}})
				if err != nil {
					t.Fatal(err)
				}
				return len(stale) == 0
			}
			before := claim(first)
			h.Clock.Advance(2 * time.Minute)
			if lost, err := s.Extend(t.Context(), before[:1], time.Minute); err != nil || len(lost) != 1 {
				t.Errorf("extended a claim that had run out: lost %v, %v", lost, err)
			}
			after := claim(!first)
			for i, c := range after {
				if !c.Redelivery || c.Attempt != 2 || c.Token <= before[i].Token {
					t.Errorf("took over %+v", c)
				}
				if settle(before[i], delivery.Done) {
					t.Errorf("the old claim of %d still settled", c.Seq)
				}
				if !settle(c, delivery.Release) {
					t.Errorf("the new claim of %d did not settle", c.Seq)
				}
			}
			for _, c := range claim(first) {
				if !settle(c, delivery.Done) {
					t.Errorf("the last claim of %d did not settle", c.Seq)
				}
			}
			clean(t, s, delivery.Ledger{Accepted: 12, Delivered: 12})
		})
	}
}

// TestOpen_GoesOnWithAStoreFromBeforeHolds migrates a store with events in every
// state that its predecessor left.
func TestOpen_GoesOnWithAStoreFromBeforeHolds(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	if err := pg.Migrate(t.Context(), pg.Config{URL: db.URL}, db.Schema, migrationsBefore(t, "00022")); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `INSERT INTO routes (name) VALUES ('orders')`)
	execute(t, db, `INSERT INTO kinds (source, type, org) VALUES ('s', 't', 'o')`)
	execute(t, db, `
		WITH i AS (SELECT nextval('event_seq') AS seq, n FROM generate_series(1, 300) n),
		e AS (INSERT INTO events SELECT seq, 1, n % 7, 1, now(), now(), false, n::text, '', '', '' FROM i),
		p AS (INSERT INTO payloads SELECT seq, '{}' FROM i),
		l AS (INSERT INTO ledger VALUES (1, 0, 300, 0, 0, 0, 0, 0))
		INSERT INTO queue SELECT 1, n % 7, seq, '-infinity', 0, '', 0, 0, false, now() FROM i`)
	var held []int64
	for _, function := range []string{"claim_lanes(1, 0::smallint, 'old', now(), now() + interval '1 hour', 20, 4, 0, 0)", "claim_any(1, 0::smallint, 'old', now(), now() + interval '1 hour', 20)"} {
		execute(t, db, "SELECT * FROM "+function)
	}
	s := open(t, db)
	defer s.Close()
	// The predecessor's claims hold: it has one of every lane, so there is nothing in order.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if claims, err := s.Claim(ctx, delivery.ClaimRequest{Route: "orders", Max: 300, Run: 100, Ordered: true, Lease: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("claimed %d events of lanes of which one is in flight, %v", len(claims), err)
	}
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 300, Run: 1, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		held = append(held, c.Seq)
		if c.Event.Source != "s" || c.Event.OrgID != "o" || c.Redelivery {
			t.Errorf("claimed %+v", c)
		}
		if stale, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: c.Seq, Token: c.Token, Do: delivery.Done}}); err != nil || len(stale) > 0 {
			t.Fatalf("settle = %v, %v", stale, err)
		}
	}
	if n := execute(t, db, "SELECT FROM queue WHERE claim <> 0"); int(n)+len(held) != 300 {
		t.Errorf("%d events were claimed by the predecessor and %d by us, of 300", n, len(held))
	}
	clean(t, s, delivery.Ledger{Accepted: 300, Delivered: int64(len(held)), Waiting: int64(300 - len(held))})
}

// migrationsBefore are the migrations up to the one whose name begins with next.
func migrationsBefore(t testing.TB, next string) fstest.MapFS {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	before := fstest.MapFS{}
	for _, file := range files {
		if name := filepath.Base(file); name < next {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			before[name] = &fstest.MapFile{Data: data}
		}
	}
	return before
}

// TestAudit_SeesALaneThatCountsWrongly keeps the count of a lane honest: too high
// shuts the lane until the lease ends, too low opens it too soon.
func TestAudit_SeesALaneThatCountsWrongly(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	s := open(t, db)
	defer s.Close()
	appendKeyed(t, s, 4, 1)
	if claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 3, Run: 3, Ordered: true, Lease: time.Minute}); err != nil || len(claims) != 3 {
		t.Fatalf("claimed %d, %v", len(claims), err)
	}
	clean(t, s, delivery.Ledger{Accepted: 4, Waiting: 4})
	for _, wrong := range []int{0, 2, 4} {
		if n := execute(t, db, "UPDATE lanes SET holding = $1 WHERE token <> 0", wrong); n != 1 {
			t.Fatalf("%d lanes are held", n)
		}
		findings, err := s.Audit(t.Context())
		if err != nil || len(findings) != 1 || findings[0].Route != "orders" {
			t.Errorf("holding %d: audit = %v, %v", wrong, findings, err)
		}
	}
}
