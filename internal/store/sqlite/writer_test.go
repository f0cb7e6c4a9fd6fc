package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func foreignDatabase(t *testing.T, path string) {
	t.Helper()
	conn, err := zsqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteTransient(conn, "CREATE TABLE theirs (id INTEGER)", nil); err != nil {
		t.Fatal(err)
	}
}

func appendOne(ctx context.Context, s contract.Store, id string, size int) error {
	return s.Append(ctx, subscription.Append{
		Subscription: "sub " + id, Position: event.Position(id), Events: []event.Event{{ID: id, Route: "orders", Data: make([]byte, size)}},
	})
}

func claimOne(t *testing.T, s contract.Store) delivery.Claimed {
	t.Helper()
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 1, Run: 1, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return claims[0]
}

func clean(t *testing.T, s contract.Store) delivery.Ledger {
	t.Helper()
	if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
	ledgers, err := s.Ledgers(t.Context())
	if err != nil || len(ledgers) != 1 {
		t.Fatalf("ledgers = %v, %v", ledgers, err)
	}
	return ledgers[0]
}

// TestFullDisk fills the disk under a group of appends, a claim and a
// settlement, and expects nothing half done and work to go on with space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	for _, id := range []string{"flying", "waiting"} {
		if err := appendOne(t.Context(), s, id, 10); err != nil {
			t.Fatal(err)
		}
	}
	flying := claimOne(t, s)
	if err := sqlite.LimitPages(t.Context(), s, 2); err != nil {
		t.Fatal(err)
	}
	release := sqlite.Hold(s)
	const callers = 5
	errs := make(chan error, callers+1)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { errs <- appendOne(t.Context(), s, fmt.Sprint("big ", i), 1<<20) })
	}
	wg.Go(func() {
		_, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: flying.Seq, Token: flying.Token, Do: delivery.Done}})
		errs <- err
	})
	for sqlite.Queued(s) < callers+1 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	close(errs)
	for err := range errs {
		e, ok := errors.AsType[*event.Error](err)
		if !ok || e.Happened != event.HappenedNo || e.Healing != event.Transient || e.Hint == "" {
			t.Errorf("call on a full disk = %v", err)
		}
	}
	if l := clean(t, s); l.Accepted != 2 || l.Delivered != 0 || l.Waiting != 2 {
		t.Fatalf("ledger after a full disk = %+v", l)
	}
	if cp, err := s.Checkpoint(t.Context(), "sub big 0"); err != nil || cp.Position != nil {
		t.Fatalf("position of a failed append = %v, %v", cp.Position, err)
	}
	if err := sqlite.LimitPages(t.Context(), s, -1); err != nil {
		t.Fatal(err)
	}
	// The claim still holds: the failed settlement may be tried again.
	if stale, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: flying.Seq, Token: flying.Token, Do: delivery.Done}}); err != nil || len(stale) != 0 {
		t.Fatalf("settle with space = %v, %v", stale, err)
	}
	if c := claimOne(t, s); c.Event.ID != "waiting" || c.Redelivery {
		t.Fatalf("claimed %+v", c)
	}
	if err := appendOne(t.Context(), s, "later", 1<<20); err != nil {
		t.Fatal(err)
	}
	if l := clean(t, s); l.Accepted != 3 || l.Delivered != 1 {
		t.Fatalf("ledger = %+v", l)
	}
}

// TestGroup_OneFaultFailsOneCaller puts a task that fails among good ones.
func TestGroup_OneFaultFailsOneCaller(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	release := sqlite.Hold(s)
	var wg sync.WaitGroup
	claimed := make(chan string, 1)
	wg.Go(func() { claimed <- claimOne(t, s).Event.ID })
	for i := range 4 {
		wg.Go(func() {
			if err := appendOne(t.Context(), s, fmt.Sprint(i), 10); err != nil {
				t.Error(err)
			}
		})
	}
	poisoned := make(chan error, 1)
	wg.Go(func() { poisoned <- sqlite.Poison(t.Context(), s) })
	for sqlite.Queued(s) < 6 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	if err := <-poisoned; err == nil {
		t.Error("the poisoned task succeeded")
	}
	if id := <-claimed; id == "" {
		t.Error("the claim got nothing")
	}
	if l := clean(t, s); l.Accepted != 4 {
		t.Fatalf("ledger = %+v", l)
	}
}

// TestMemory_IsBounded fills a store with more than its window and budget.
func TestMemory_IsBounded(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered=", ordered), func(t *testing.T) {
			t.Parallel()
			s := open(t, filepath.Join(t.TempDir(), "store.db"), func(c *contract.Config) { c.Window, c.Memory = 10, 10_000 })
			defer s.Close()
			first := make(chan delivery.Claimed, 1)
			go func() { // opens the room before anything is appended
				claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 1, Run: 1, Ordered: ordered, Lease: time.Hour})
				if err != nil {
					t.Error(err)
				}
				first <- claims[0]
			}()
			var events []event.Event
			for i := range 5000 {
				events = append(events, event.Event{ID: fmt.Sprint(i), Key: fmt.Sprint(i % 7), Route: "orders", Data: make([]byte, 100)})
			}
			if err := s.Append(t.Context(), subscription.Append{Events: events}); err != nil {
				t.Fatal(err)
			}
			<-first
			if n, err := sqlite.InMemory(t.Context(), s); err != nil || n > 7*10 {
				t.Errorf("%d entries in memory, %v", n, err)
			}
			if n, err := sqlite.AtHand(t.Context(), s); err != nil || n > 10_000 {
				t.Errorf("%d payload bytes in memory, %v", n, err)
			}
		})
	}
}

// TestLog_DoesNotGrow writes many times the size from which the log is copied
// back and expects it to begin anew again and again.
func TestLog_DoesNotGrow(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	most := int64(0)
	for i := range 150 {
		if err := sqlite.Fill(t.Context(), s, i); err != nil {
			t.Fatal(err)
		}
		most = max(most, sqlite.LogBytes(s))
	}
	if most == 0 || most > 100<<20 {
		t.Fatalf("the log grew to %d bytes for 150 MB", most)
	}
}

// TestDelayed_BeyondMemory lets more events wait for their next attempt than are
// kept in memory, and expects each at its time.
func TestDelayed_BeyondMemory(t *testing.T) {
	t.Parallel()
	h := harness(t, func(c *contract.Config) { c.Window = 2 })
	s := h.Open(t)
	defer s.Close()
	const n = 60
	var events []event.Event
	for i := range n {
		events = append(events, event.Event{ID: fmt.Sprint(i), Route: "orders", Data: []byte("{}")})
	}
	if err := s.Append(t.Context(), subscription.Append{Events: events}); err != nil {
		t.Fatal(err)
	}
	start := h.Clock.Now()
	for i := range n {
		c := claimOne(t, s)
		// Later events are due earlier, so that the earliest are found last.
		if _, err := s.Settle(t.Context(), []delivery.Settlement{{
			Seq: c.Seq, Token: c.Token, Do: delivery.Again, Due: start.Add(time.Duration(n-i) * time.Second),
		}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		h.Clock.Advance(time.Second)
		c := claimOne(t, s)
		if want := fmt.Sprint(n - 1 - i); c.Event.ID != want || c.Attempt != 2 {
			t.Fatalf("after %d s claimed %s (attempt %d), want %s", i+1, c.Event.ID, c.Attempt, want)
		}
		if _, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: c.Seq, Token: c.Token, Do: delivery.Done}}); err != nil {
			t.Fatal(err)
		}
	}
	if l := clean(t, s); l.Delivered != n {
		t.Fatalf("ledger = %+v", l)
	}
}
