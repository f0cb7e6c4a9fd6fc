// Package engine_test runs the engines together on the real stores and over
// real HTTP: what their own tests show on stores in memory must hold where disks
// and sockets are.
package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/postgres"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	topic     = "/event/Order__e"
	routeName = "orders"
)

// onEachStore runs a test on every kind of store.
func onEachStore(t *testing.T, test func(t *testing.T, s contract.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, openSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		db := testkit.Postgres(t)
		s := must(postgres.Open(t.Context(), contract.Config{URL: db.URL, Schema: db.Schema, Owner: "test", Connections: 5}))(t)
		t.Cleanup(func() { _ = s.Close() })
		test(t, s)
	})
}

func openSQLite(tb testing.TB) contract.Store {
	tb.Helper()
	s := must(sqlite.Open(tb.Context(), contract.Config{URL: filepath.Join(tb.TempDir(), "store.db"), Owner: "test"}))(tb)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// app is an application that remembers the order of what it took.
type app struct {
	*httptest.Server
	answer func(id string) int

	mu    sync.Mutex
	taken map[string][]int // sequence numbers by key
	seen  map[string]int   // requests answered 2xx by id
	total int
	grown chan struct{}
}

func newApp(tb testing.TB, answer func(id string) int) *app {
	tb.Helper()
	a := &app{answer: answer, taken: map[string][]int{}, seen: map[string]int{}, grown: make(chan struct{})}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	tb.Cleanup(a.Close)
	return a
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("Ce-Id")
	if status := a.answer(id); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	var n int
	if _, err := fmt.Sscanf(id, "e-%d", &n); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := r.Header.Get("Ce-Partitionkey")
	a.taken[key] = append(a.taken[key], n)
	a.seen[id]++
	a.total++
	close(a.grown)
	a.grown = make(chan struct{})
}

// await blocks until the application has taken n different events.
func (a *app) await(tb testing.TB, n int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for {
		a.mu.Lock()
		have, grown := len(a.seen), a.grown
		a.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-grown:
		case <-ctx.Done():
			tb.Fatalf("the application has %d of %d events after a minute", have, n)
		}
	}
}

// gateway is one process's worth of engines on a store.
type gateway struct {
	sub  *subscription.Subscriber
	disp *delivery.Dispatcher
	stop func()
}

func start(tb testing.TB, s contract.Store, bus event.Source, url string, cfg delivery.Config, rcfg route.Config, holder string) *gateway {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	rcfg.Name, rcfg.Topics = routeName, []string{topic}
	r := must(route.New(rcfg))(tb)
	out := must(httpout.New(httpout.Config{URL: url, Concurrency: 16}))(tb)
	cfg.Route, cfg.Ordered, cfg.Owner = routeName, r.Ordered(), holder
	g := &gateway{
		sub: must(subscription.New(subscription.Config{Topic: topic, Holder: holder, Earliest: true}, subscription.Deps{
			Source: bus, Journal: s, Leases: s, Routes: []subscription.Route{r}, Log: log,
		}))(tb),
		disp: must(delivery.New(cfg, delivery.Deps{Queue: s, Destination: r.To(out), Log: log}))(tb),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.sub.Run(ctx) })
	wg.Go(func() { _ = g.disp.Run(ctx) })
	g.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); out.Close() })
	tb.Cleanup(g.stop)
	return g
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func publish(bus *subscriptiontest.Bus, from, n, keys int) {
	for i := from; i < from+n; i++ {
		key := binary.BigEndian.AppendUint32(nil, uint32(i%keys))
		bus.Publish(event.Event{
			ID: fmt.Sprintf("e-%d", i), Source: "salesforce/00D000000000001EAA/event/Order__e", Type: "com.salesforce.event.Order__e",
			Key: fmt.Sprintf("k%x", key), Time: time.Now().UTC(), Data: fmt.Appendf(nil, `{"Number__c":%d}`, i),
		})
	}
}

// wantLedger checks the route's account, its sum, and the audit.
func wantLedger(tb testing.TB, s contract.Store, want delivery.Ledger) delivery.Ledger {
	tb.Helper()
	ledgers := must(s.Ledgers(tb.Context()))(tb)
	if len(ledgers) != 1 {
		tb.Fatalf("%d ledgers", len(ledgers))
	}
	l := ledgers[0]
	if l.Accepted != want.Accepted || l.Delivered != want.Delivered || l.Dead != want.Dead || l.Waiting != want.Waiting ||
		l.Filtered != want.Filtered || l.Duplicates != want.Duplicates {
		tb.Errorf("ledger %+v, want %+v", l, want)
	}
	for _, f := range must(s.Audit(tb.Context()))(tb) {
		tb.Errorf("audit: %s", f.What)
	}
	return l
}
