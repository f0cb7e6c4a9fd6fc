package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A route whose application is away fills up to its limit, whichever process takes
// events in. Then callers are told to wait, in the one place and the other, and all that
// was accepted arrives when the application is back.
func TestCallouts_AFullRouteTellsCallersToWait(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"SQLite": false, "PostgreSQL, two gateways": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := newApplication(t)
			app.failing.Store(true)
			store := filepath.Join(t.TempDir(), "sallyport.db")
			if shared {
				database := testkit.Postgres(t)
				store = fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
			}
			routes := fmt.Sprintf(`  orders:
    pattern: rest
    callout: {answer: accept}
    max_waiting: 50
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}
    to: {url: "%s/orders"}
`, app.server.URL)
			first := newCalled(t, store, "", routes)
			first.start()
			second := first
			if shared {
				second = newCalled(t, store, "", routes)
				second.start()
			}
			accepted := 0
			for ; accepted < 1000; accepted++ {
				if r, err := first.call(http.MethodPost, "/callouts/orders", `{"n":1}`); err != nil || r.status != 202 {
					break
				}
			}
			if accepted != 50 {
				t.Fatalf("%d were accepted, want 50", accepted)
			}
			refused := func(g *calledGateway) bool {
				r := g.must(503, http.MethodPost, "/callouts/orders", `{"n":1}`)
				wait, err := strconv.Atoi(r.header.Get("Retry-After"))
				if err != nil || wait < 1 || wait > 60 || !strings.Contains(r.body, "route_full") || !strings.Contains(r.body, "max_waiting") {
					t.Errorf("refused with %v %s", r.header, r.body)
				}
				return true
			}
			refused(first)
			eventually(t, 10*time.Second, func() bool { // a second after the other has measured
				r, err := second.call(http.MethodPost, "/callouts/orders", `{"n":1}`)
				if err == nil && r.status == 202 {
					accepted++
				}
				return err == nil && r.status == 503
			}, func() string { return "the other gateway goes on accepting" })
			refused(second)
			second.must(503, http.MethodPost, "/callouts/orders/batch", `[{"id":"a","data":1}]`, "Content-Type", "application/json")
			app.failing.Store(false)
			eventually(t, 30*time.Second, func() bool { return app.distinct() == accepted }, func() string {
				return fmt.Sprintf("%d of %d arrived", app.distinct(), accepted)
			})
			eventually(t, 10*time.Second, func() bool {
				r, err := first.call(http.MethodPost, "/callouts/orders", `{"n":1}`)
				return err == nil && r.status == 202
			}, func() string { return "the route is still full" })
		})
	}
}
