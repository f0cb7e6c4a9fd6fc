package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// childEnv makes the test binary the process that TestKill kills.
const childEnv = "SALLYPORT_TEST_SQLITE_CHILD"

// keyed begins the ids that a child has the store remember.
const keyed = "keyed-"

// child appends, claims and settles until it is killed. It prints a line for
// everything that the store has said to be durable.
func child(path string) {
	s, err := sqlite.Open(context.Background(), contract.Config{URL: path, Owner: "child"})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	ctx := context.Background()
	var out sync.Mutex
	say := func(what string, ids ...string) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, strings.Join(ids, " "))
	}
	for p := range 4 {
		go func() {
			for n := 0; ; n++ {
				var events []event.Event
				var ids []string
				for i := range 10 {
					id := fmt.Sprintf("%d-%d-%d-%d", os.Getpid(), p, n, i)
					ids = append(ids, id)
					events = append(events, event.Event{ID: id, Route: "orders", Key: id, Data: []byte(id)})
				}
				if err := s.Append(ctx, subscription.Append{Subscription: fmt.Sprint(p), Position: []byte(ids[9]), Events: events}); err != nil {
					say("error", err.Error())
				}
				say("appended", ids...)
			}
		}()
	}
	go func() {
		for n := 0; ; n++ {
			id := fmt.Sprintf("%s%d-%d", keyed, os.Getpid(), n)
			if _, err := s.(route.Intake).Accept(ctx, []route.Arrival{{Event: event.Event{ID: id, Route: "orders", Data: []byte(id)}, Remember: time.Hour}}); err != nil {
				say("error", err.Error())
			}
			say("appended", id)
		}
	}()
	for {
		claims, err := s.Claim(ctx, delivery.ClaimRequest{Route: "orders", Max: 50, Run: 1, Lease: time.Minute})
		if err != nil {
			say("error", err.Error())
			continue
		}
		var ids []string
		var settlements []delivery.Settlement
		for _, c := range claims {
			ids = append(ids, c.Event.ID)
			settlements = append(settlements, delivery.Settlement{Seq: c.Seq, Token: c.Token, Do: delivery.Done})
		}
		if _, err := s.Settle(ctx, settlements); err != nil {
			say("error", err.Error())
		}
		say("delivered", ids...)
	}
}

// TestKill kills a busy owner of a store three times at random moments and
// expects all that it was told to be durable.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	appended, delivered := map[string]bool{}, map[string]bool{}
	for range 3 {
		killOne(t, path, 20+rand.IntN(200), appended, delivered)
	}
	if len(appended) == 0 || len(delivered) == 0 {
		t.Fatalf("the children appended %d and delivered %d events", len(appended), len(delivered))
	}
	s := open(t, path)
	defer s.Close()
	if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit: %v, %v", findings, err)
	}
	found := map[string]delivery.State{}
	for before := int64(0); ; {
		records, err := s.List(t.Context(), delivery.ListFilter{Limit: 10_000, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			if _, twice := found[r.Event.ID]; twice {
				t.Errorf("event %s is stored twice", r.Event.ID)
			}
			found[r.Event.ID] = r.State
			before = r.Seq
		}
	}
	for id := range appended {
		if _, ok := found[id]; !ok {
			t.Errorf("event %s was acknowledged and is gone", id)
		}
	}
	for id := range appended {
		if !strings.HasPrefix(id, keyed) {
			continue
		}
		again := []route.Arrival{{Event: event.Event{ID: id, Route: "orders", Data: []byte(id)}, Remember: time.Hour}}
		if receipts, err := s.(route.Intake).Accept(t.Context(), again); err != nil || !receipts[0].Duplicate {
			t.Errorf("event %s is not known: %+v, %v", id, receipts, err)
		}
	}
	for id := range delivered {
		if found[id] != delivery.Delivered {
			t.Errorf("event %s was settled and is %q", id, found[id])
		}
	}
}

// killOne starts a child, kills it after it has said lines lines, and notes
// what it said.
func killOne(t *testing.T, path string, lines int, appended, delivered map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ {
		what, ids, _ := strings.Cut(scanner.Text(), " ")
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range strings.Fields(ids) {
			switch what {
			case "appended":
				appended[id] = true
			case "delivered":
				delivered[id] = true
			default:
				t.Fatalf("child: %s", scanner.Text())
			}
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("child ended with %v, want killed", err)
	}
}
