package rabbitqueue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// bench is a queue with what it stands on.
type bench struct {
	*rabbitqueue.Queue
	t        *testing.T
	ctx      context.Context
	url      string
	register contract.Store
	consume  *rabbit.Link
	cfg      rabbitqueue.Config
}

func openRegister(t *testing.T) contract.Store {
	t.Helper()
	cfg := contract.Config{URL: filepath.Join(t.TempDir(), "store.db"), Owner: "test", Logger: testkit.Log(t)}
	s, err := sqlite.Open(t.Context(), cfg.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func link(t *testing.T, url, name string) *rabbit.Link {
	t.Helper()
	l, err := rabbit.Open(rabbit.Config{
		URL: func(context.Context) (string, error) { return url, nil }, Name: name, Log: testkit.Log(t),
		Heartbeat: 2 * time.Second, RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// start opens a queue of route "orders" on a broker and a register.
func start(t *testing.T, url string, register contract.Store, change func(*rabbitqueue.Config)) *bench {
	t.Helper()
	cfg := rabbitqueue.Config{
		Routes: []rabbitqueue.RouteConfig{{Name: "orders"}}, Owner: "test",
		Measure: 50 * time.Millisecond, Flush: 20 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	consume := link(t, url, "consume")
	q, err := rabbitqueue.New(cfg, rabbitqueue.Deps{Publish: link(t, url, "publish"), Consume: consume, Register: register, Log: testkit.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &bench{Queue: q, t: t, ctx: ctx, url: url, register: register, consume: consume, cfg: cfg}
}

// breathe is the pause between two looks at a broker that tells nobody when it
// has changed.
func breathe(ctx context.Context) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
}

func ordered(cfg *rabbitqueue.Config) { cfg.Routes[0].Ordered = true }

func arrival(id, key string) route.Arrival {
	return route.Arrival{Event: event.Event{
		ID: id, Key: key, Route: "orders", Source: "salesforce/00D/orders", Type: "com.salesforce.callout.orders", Subject: "001",
		Time: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), OrgID: "00D", TraceParent: "00-ab-cd-01", Data: []byte(`{"id":"` + id + `"}`),
	}}
}

func (b *bench) accept(arrivals ...route.Arrival) []route.Receipt {
	b.t.Helper()
	receipts, err := b.Accept(b.ctx, arrivals)
	if err != nil {
		b.t.Fatal(err)
	}
	return receipts
}

// fill waits until this process holds n events.
func (b *bench) fill(n int) {
	b.t.Helper()
	gone, cancel := context.WithCancel(b.ctx)
	cancel()
	if got, err := b.Claim(gone, delivery.ClaimRequest{Route: "orders"}); err == nil {
		b.t.Fatalf("claimed %v without asking for any", ids(got))
	}
	for b.ctx.Err() == nil {
		if levels, err := b.Levels(b.ctx); err != nil {
			b.t.Fatal(err)
		} else if levels[0].Held == n {
			return
		}
		breathe(b.ctx)
	}
	b.t.Fatalf("%d events never came", n)
}

// claim claims until it has n events.
func (b *bench) claim(n int) (all []delivery.Claimed) {
	b.t.Helper()
	for len(all) < n {
		got, err := b.Claim(b.ctx, delivery.ClaimRequest{Route: "orders", Max: n - len(all), Run: 8, Ordered: b.cfg.Routes[0].Ordered, Lease: time.Minute})
		if err != nil {
			b.t.Fatalf("claimed %v of %d: %v", ids(all), n, err)
		}
		all = append(all, got...)
	}
	return all
}

func ids(all []delivery.Claimed) (out []string) {
	for _, c := range all {
		out = append(out, c.Event.ID)
	}
	return out
}

// settle settles claims alike and returns what was stale.
func (b *bench) settle(do delivery.Disposition, wait time.Duration, claims ...delivery.Claimed) (stale int) {
	b.t.Helper()
	now := time.Now().UTC()
	var all []delivery.Settlement
	for _, c := range claims {
		s := delivery.Settlement{Seq: c.Seq, Token: c.Token, Do: do, Started: now, Ended: now}
		if wait > 0 {
			s.Due = now.Add(wait)
		}
		if do == delivery.Again || do == delivery.Dead {
			s.Outcome = event.Outcome{Verdict: event.Retry, Status: 500, Reason: "the application said no", Happened: event.HappenedYes}
		}
		all = append(all, s)
	}
	late, err := b.Settle(b.ctx, all)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(late)
}

// wantLedger waits until the account is as wanted; what is asked of the broker
// follows a moment behind.
func (b *bench) wantLedger(want delivery.Ledger) {
	b.t.Helper()
	want.Route = "orders"
	var got delivery.Ledger
	for b.ctx.Err() == nil {
		all, err := b.Ledgers(b.ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		got = all[0]
		got.OldestWaiting = time.Time{}
		if got == want {
			return
		}
		breathe(b.ctx)
	}
	b.t.Fatalf("ledger %+v, want %+v", got, want)
}

func (b *bench) wantSound() {
	b.t.Helper()
	findings, err := b.Audit(b.ctx)
	if err != nil || len(findings) > 0 {
		b.t.Fatalf("audit: %v, %v", findings, err)
	}
}

func series(n int, keys int) (out []route.Arrival) {
	for i := range n {
		out = append(out, arrival(fmt.Sprintf("e%04d", i), fmt.Sprintf("key%d", i%keys)))
	}
	return out
}
