package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/postgres"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// TestOpen_ManyAtOnce lets processes that start at once create the tables.
func TestOpen_ManyAtOnce(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	// A name that has to be quoted everywhere.
	db.Schema = `Wächter "` + db.Schema + `'s`
	t.Cleanup(func() { dropSchema(t, db) })
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), contract.Config{URL: db.URL, Schema: db.Schema, Connections: 3})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := appendOne(t.Context(), s, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
			claimOne(t, s)
		})
	}
	wg.Wait()
}

func dropSchema(t testing.TB, db testkit.Database) {
	conn, err := pgx.Connect(context.Background(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+pgx.Identifier{db.Schema}.Sanitize()+" CASCADE"); err != nil {
		t.Fatal(err)
	}
}

func appendOne(ctx context.Context, s contract.Store, id string) error {
	return s.Append(ctx, subscription.Append{
		Subscription: "sub " + id, Position: event.Position(id), Events: []event.Event{{ID: id, Key: id, Route: "orders", Data: []byte("{}")}},
	})
}

func claimOne(t testing.TB, s contract.Store) delivery.Claimed {
	t.Helper()
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 1, Run: 1, Lease: time.Minute})
	if err != nil || len(claims) == 0 {
		t.Errorf("claim = %v, %v", claims, err)
		return delivery.Claimed{}
	}
	return claims[0]
}

// TestClaim_WokenByAnotherProcess claims through a store that hardly ever polls.
func TestClaim_WokenByAnotherProcess(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	never := func(c *contract.Config) { c.Poll = time.Hour }
	here, there := open(t, db, never), open(t, db, never)
	defer here.Close()
	defer there.Close()
	// The route must be known, or the first claim would have nothing to wait for.
	if err := appendOne(t.Context(), there, "first"); err != nil {
		t.Fatal(err)
	}
	claimOne(t, here)
	got := make(chan delivery.Claimed, 1)
	go func() { got <- claimOne(t, here) }()
	if err := appendOne(t.Context(), there, "second"); err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-got:
		if c.Event.ID != "second" {
			t.Fatalf("claimed %s", c.Event.ID)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the claim was not woken")
	}
}

// TestAppend_HoldsOffASuccessor lets a lease change hands while an append under
// it is on its way, and expects the successor to see the append's position.
func TestAppend_HoldsOffASuccessor(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	a, b := open(t, db), open(t, db)
	defer a.Close()
	defer b.Close()
	for round := range 10 {
		name := fmt.Sprint("sub ", round)
		lease, _, err := a.Acquire(t.Context(), name, "a", time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- a.Append(t.Context(), subscription.Append{
				Subscription: name, Fence: lease.Fence, Position: event.Position{1},
				Events: []event.Event{{ID: name, Route: "orders", Data: []byte("{}")}},
			})
		}()
		for ok := false; !ok; {
			if _, ok, err = b.Acquire(t.Context(), name, "b", time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		seen, err := b.Checkpoint(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		// Either the append came first and is seen, or it was refused.
		if err := <-done; (err == nil) != (seen.Position != nil) {
			t.Fatalf("append = %v, but the successor read position %v", err, seen.Position)
		}
	}
}

// TestClaim_DeepBacklog measures claims against a backlog of 100,000 events, right
// after it came in, with statistics that know nothing of it.
func TestClaim_DeepBacklog(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	s := open(t, db)
	defer s.Close()
	if err := appendOne(t.Context(), s, "first"); err != nil {
		t.Fatal(err)
	}
	claimOne(t, s)
	execute(t, db, `
		WITH i AS (SELECT nextval('event_seq') AS seq, n FROM generate_series(1, 100000) n),
		e AS (INSERT INTO events SELECT seq, 1, n % 256, 1, now(), now(), false, n::text, '', '', '' FROM i),
		p AS (INSERT INTO payloads SELECT seq, '' FROM i),
		l AS (UPDATE ledger SET accepted = accepted + 100000 WHERE ctid = (SELECT min(ctid) FROM ledger))
		INSERT INTO queue SELECT 1, n % 256, seq, '-infinity', 0, '', 0, 0, false, now() FROM i`)
	for _, ordered := range []bool{true, false} {
		start := time.Now()
		const claims = 10
		for range claims {
			got, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 100, Run: 4, Ordered: ordered, Lease: time.Minute})
			if err != nil || len(got) != 100 {
				t.Fatalf("claimed %d, %v", len(got), err)
			}
			settlements := make([]delivery.Settlement, len(got))
			for i, c := range got {
				settlements[i] = delivery.Settlement{Seq: c.Seq, Token: c.Token, Do: delivery.Done}
			}
			if stale, err := s.Settle(t.Context(), settlements); err != nil || len(stale) > 0 {
				t.Fatalf("settle = %v, %v", stale, err)
			}
		}
		// Reading the backlog through takes a hundred times as long.
		if per := time.Since(start) / claims; per > 2*time.Second {
			t.Errorf("ordered %v: %v per claim and settlement of 100", ordered, per)
		} else {
			t.Logf("ordered %v: %v per claim and settlement of 100", ordered, per)
		}
	}
	if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
}
