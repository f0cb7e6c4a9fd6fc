package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A route becomes ordered, and its queue, full of events, has other settings then.
// The gateway says what differs and what to do; the command that replaces the queue is
// killed in the middle again and again; then every event arrives and the
// account adds up.
func TestQueue_IsMigratedThoughKilled(t *testing.T) {
	t.Parallel()
	const n, batch = 4000, 250
	app := newApplication(t)
	broker := testkit.RabbitMQ(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: queue
    order_by: none
    concurrency: 8
    to: {url: "%s/orders"}
rabbitmq: %q
`, app.server.URL, broker.URL))
	never := make(chan struct{})
	app.hang(never)
	g.start()
	var ids []string
	for from := 0; from < n; from += batch {
		var items []string
		for i := from; i < from+batch; i++ {
			ids = append(ids, fmt.Sprintf("event-%05d", i))
			items = append(items, fmt.Sprintf(`{"id":%q,"data":{"n":%d}}`, ids[i], i))
		}
		g.insist("/callouts/orders/batch", "["+strings.Join(items, ",")+"]", fmt.Sprintf("batch %d", from))
	}
	if out, code := run(t, nil, "queues", "migrate", "orders", "--config", g.config); code == 0 && strings.Contains(out, "migrated") {
		t.Error("migrated what needed no migration")
	}
	g.process.stop(30 * time.Second)
	g.reconfigure("order_by: none", "order_by: key")
	app.release.Store(nil)
	g.gateway.start()
	eventually(t, 30*time.Second, func() bool {
		for _, r := range g.status().Routes {
			if strings.Contains(r.Why, "another x-single-active-consumer: it has none, Sallyport needs true") && strings.Contains(r.Hint, "sallyport queues migrate orders") {
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprintf("status does not tell: %+v", g.status().Routes) })
	dry := func() (string, int) {
		return run(t, nil, "queues", "migrate", "orders", "--dry-run", "--config", g.config)
	}
	if out, code := dry(); code != 3 || !strings.Contains(out, "x-single-active-consumer is none, must be true") {
		t.Errorf("dry run: exit %d\n%s", code, out)
	}

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 6))
	interrupted := 0
	for try := 0; interrupted < 3 && try < 20; try++ {
		p := start(t, "migrate", nil, "queues", "migrate", "orders", "--config", g.config)
		kill := time.NewTimer(time.Duration(80+random.IntN(500)) * time.Millisecond)
		select {
		case <-p.done:
		case <-kill.C:
		}
		kill.Stop()
		p.kill()
		out, code := dry()
		if strings.Contains(out, "interrupted") {
			interrupted++
		} else if code == 0 {
			break
		}
	}
	if out, code := run(t, nil, "queues", "migrate", "orders", "--config", g.config); code != 0 {
		t.Fatalf("migrate: exit %d\n%s", code, out)
	}
	if interrupted == 0 {
		t.Error("never killed in the middle")
	}
	eventually(t, 2*time.Minute, func() bool { return app.distinct() == n }, func() string {
		return fmt.Sprintf("%d of %d arrived\n%s", app.distinct(), n, g.process.tail(20))
	})
	if missing := app.missing(ids); len(missing) > 0 {
		t.Errorf("lost: %v", missing)
	}
	eventually(t, 30*time.Second, func() bool { l := g.ledger(); return l.Waiting == 0 && l.Delivered == n }, func() string { return fmt.Sprintf("ledger %+v", g.ledger()) })
	if l := g.ledger(); l.Accepted != n || l.Dead != 0 || int64(app.repeats()) > l.Redelivered {
		t.Errorf("ledger %+v, %d arrived twice", l, app.repeats())
	}
	g.must(http.StatusAccepted, http.MethodPost, "/callouts/orders", `{"n":-1}`)
	eventually(t, 30*time.Second, func() bool { return app.distinct() == n+1 }, func() string { return "nothing arrives after it" })
	t.Logf("killed in the middle %d times; %d duplicates removed, %d arrived twice", interrupted, g.ledger().Duplicates, app.repeats())
}
