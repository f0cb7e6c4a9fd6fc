package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func inspect(t *testing.T, path string) contract.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), contract.Config{URL: path, Owner: "inspector", Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// deadLetter appends an event and lets it become a dead letter.
func deadLetter(t *testing.T, s contract.Store, id string) {
	t.Helper()
	if err := s.Append(t.Context(), subscription.Append{Events: []event.Event{{ID: id, Route: "orders", Data: []byte("{}")}}}); err != nil {
		t.Fatal(err)
	}
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 1, Run: 1, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: claims[0].Seq, Token: claims[0].Token, Do: delivery.Dead}}); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_RefusesASecondOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	first := open(t, path)
	_, err := sqlite.Open(t.Context(), contract.Config{URL: path, Owner: "second"})
	if !errors.Is(err, contract.ErrOwned) || event.HealingOf(err) != event.Permanent || !strings.Contains(event.HintOf(err), "owned by test (process ") {
		t.Fatalf("second owner: %v, hint %q", err, event.HintOf(err))
	}
	// The refused one has not disturbed the first.
	deadLetter(t, first, "a")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, path)
	defer second.Close()
	if records, err := second.Find(t.Context(), "a"); err != nil || len(records) != 1 {
		t.Fatalf("find = %v, %v", records, err)
	}
}

func TestOpen_FreesLeasesOfThePreviousOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	old, ok, err := s.Acquire(t.Context(), "sub", "first", time.Hour)
	if err != nil || !ok {
		t.Fatalf("acquire = %v, %v", ok, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	next, ok, err := s.Acquire(t.Context(), "sub", "second", time.Hour)
	if err != nil || !ok || next.Fence <= old.Fence {
		t.Fatalf("acquire = %+v, %v, %v", next, ok, err)
	}
}

func TestInspect_ReadsWhileTheOwnerRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	owner := open(t, path)
	defer owner.Close()
	deadLetter(t, owner, "a")
	i := inspect(t, path)
	for _, id := range []string{"b", "c"} {
		deadLetter(t, owner, id)
		if records, err := i.List(t.Context(), delivery.ListFilter{State: delivery.DeadState, Limit: 9}); err != nil || records[0].Event.ID != id {
			t.Fatalf("list = %v, %v", records, err)
		}
	}
	if findings, err := i.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
	if _, err := i.Redrive(t.Context(), delivery.DeadFilter{}); !errors.Is(err, contract.ErrOwned) {
		t.Fatalf("redrive beside the owner = %v, want ErrOwned", err)
	}
	if err := i.Append(t.Context(), subscription.Append{}); !errors.Is(err, contract.ErrInspecting) {
		t.Fatalf("append = %v, want ErrInspecting", err)
	}
	if _, err := i.(route.Intake).Accept(t.Context(), nil); !errors.Is(err, contract.ErrInspecting) {
		t.Fatalf("accept = %v, want ErrInspecting", err)
	}
	if err := i.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestInspect_WorksAfterTheOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	owner := open(t, path)
	deadLetter(t, owner, "a")
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	i := inspect(t, path)
	if n, err := i.Redrive(t.Context(), delivery.DeadFilter{IDs: []string{"a"}}); err != nil || n != 1 {
		t.Fatalf("redrive = %d, %v", n, err)
	}
	if l, err := i.Ledgers(t.Context()); err != nil || l[0].Dead != 0 || l[0].Waiting != 1 {
		t.Fatalf("ledgers = %+v, %v", l, err)
	}
	// It has given the file back.
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_RefusesWhatIsNotAStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign.db")
	foreignDatabase(t, foreign)
	for name, cfg := range map[string]contract.Config{
		"garbage":                 {URL: garbage},
		"garbage, to look":        {URL: garbage, Inspect: true},
		"another program's":       {URL: foreign},
		"another program's, look": {URL: foreign, Inspect: true},
		"no folder":               {URL: filepath.Join(dir, "nowhere", "store.db")},
		"nothing to look at":      {URL: filepath.Join(dir, "nothing.db"), Inspect: true},
	} {
		s, err := sqlite.Open(context.Background(), cfg)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if event.HealingOf(err) != event.Permanent || event.HintOf(err) == "" {
			t.Errorf("%s: %v lacks a hint or is called %v", name, err, event.HealingOf(err))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nothing.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking has created the file: %v", err)
	}
}
