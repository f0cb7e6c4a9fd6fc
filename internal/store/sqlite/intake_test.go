package sqlite_test

import (
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

func accept(t *testing.T, s contract.Store, id string, size int) (route.Receipt, error) {
	t.Helper()
	receipts, err := s.(route.Intake).Accept(t.Context(), []route.Arrival{
		{Event: event.Event{ID: id, Route: "orders", Data: make([]byte, size)}, Remember: time.Hour},
	})
	if err != nil {
		return route.Receipt{}, err
	}
	return receipts[0], nil
}

// An id whose commit failed is new when its sender tries again.
func TestAccept_AFailedCommitRemembersNothing(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	if err := sqlite.LimitPages(t.Context(), s, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := accept(t, s, "a", 1<<20); event.HealingOf(err) != event.Transient {
		t.Fatalf("accept on a full disk = %v", err)
	}
	if err := sqlite.LimitPages(t.Context(), s, -1); err != nil {
		t.Fatal(err)
	}
	for _, duplicate := range []bool{false, true} {
		if r, err := accept(t, s, "a", 1<<20); err != nil || r.Duplicate != duplicate {
			t.Fatalf("receipt = %+v, %v", r, err)
		}
	}
	if l := clean(t, s); l.Accepted != 1 || l.Duplicates != 1 {
		t.Fatalf("ledger = %+v", l)
	}
}

// Two callers with one id meet in a group that a third one spoils: when the
// group is taken apart, the first is still first.
func TestAccept_InAGroupThatIsTakenApart(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	release := sqlite.Hold(s)
	var wg sync.WaitGroup
	receipts := make([]route.Receipt, 2)
	for i := range receipts {
		wg.Go(func() {
			var err error
			if receipts[i], err = accept(t, s, "a", 1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if err := sqlite.Poison(t.Context(), s); err == nil {
			t.Error("the poison did nothing")
		}
	})
	for sqlite.Queued(s) < 3 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	if receipts[0].Duplicate == receipts[1].Duplicate {
		t.Fatalf("receipts = %+v, want one duplicate", receipts)
	}
	if l := clean(t, s); l.Accepted != 1 || l.Duplicates != 1 {
		t.Fatalf("ledger = %+v", l)
	}
}
