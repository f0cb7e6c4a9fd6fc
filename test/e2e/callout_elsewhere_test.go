package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A caller who waits at one gateway hears of it when another one has delivered its
// event, long before its patience ends.
func TestCallouts_WhoWaitsHearsOfDeliveriesElsewhere(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	database := testkit.Postgres(t)
	store := fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
	routes := func(name string) string {
		return fmt.Sprintf(`  orders:
    pattern: rest
    callout: {answer: wait-then-accept 60s}
    order_by: none
    to: {url: "%s/orders", headers: {%s: %s}}
`, app.server.URL, gatewayHeader, name)
	}
	first, second := newCalled(t, store, "", routes("one")), newCalled(t, store, "", routes("two"))
	first.start()
	second.start()
	const calls = 200
	var callers sync.WaitGroup
	var slowest time.Duration
	var mu sync.Mutex
	for range 8 {
		callers.Go(func() {
			for range calls / 8 {
				began := time.Now()
				r, err := first.call(http.MethodPost, "/callouts/orders", `{"n":1}`)
				if err != nil || r.status != 204 && r.status != 200 {
					t.Errorf("answered %d %s, %v", r.status, r.body, err)
				}
				mu.Lock()
				slowest = max(slowest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	elsewhere := len(app.since(time.Time{}, "two"))
	if elsewhere == 0 {
		t.Fatal("all events were delivered by the gateway that accepted them, so nothing is shown")
	}
	if slowest > 30*time.Second {
		t.Errorf("the slowest caller waited for %s", slowest)
	}
	t.Logf("%d of %d delivered by the other gateway; the slowest caller waited for %s", elsewhere, calls, slowest.Round(time.Millisecond))
}
