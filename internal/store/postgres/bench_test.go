package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const benchBatch = 100

// batch makes a batch of 1 KB events with random-looking ids.
func batch(n int) []event.Event {
	events := make([]event.Event, benchBatch)
	data := make([]byte, 1024)
	for i := range data {
		data[i] = 'a' + byte(i%26)
	}
	for i := range events {
		key := fmt.Sprintf("801%012dAAA", (n*benchBatch+i)%5000)
		events[i] = event.Event{
			ID:     fmt.Sprintf("%08x-1c54-4b4c-9c1e-%012x", (n*benchBatch+i)*2654435761%(1<<32), n*benchBatch+i),
			Source: "salesforce/00D000000000001AAA/data/OrderChangeEvent", Type: "com.salesforce.change.Order.update",
			Subject: key, Key: key, Time: time.Now().UTC(), OrgID: "00D000000000001AAA", Route: "orders", Data: data,
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}
	}
	return events
}

func produce(b *testing.B, s contract.Store, callers int) {
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := c; n < b.N; n += callers {
				if err := s.Append(context.Background(), subscription.Append{
					Subscription: fmt.Sprint(c), Events: batch(n), Position: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
				}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkAppend appends batches of 100 events of 1 KB from several callers.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 4} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, testkit.Postgres(b))
			defer s.Close()
			b.ResetTimer()
			produce(b, s, callers)
			b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "ev/s")
		})
	}
}

// BenchmarkThrough appends, claims and settles at the same time.
func BenchmarkThrough(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("ordered=%v", ordered), func(b *testing.B) {
			s := open(b, testkit.Postgres(b))
			defer s.Close()
			b.ResetTimer()
			var wg sync.WaitGroup
			wg.Go(func() { produce(b, s, 2) })
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var mu sync.Mutex
			left := b.N * benchBatch
			for range 2 {
				wg.Go(func() {
					for {
						claims, err := s.Claim(ctx, delivery.ClaimRequest{
							Route: "orders", Max: 200, Run: 8, Ordered: ordered, Owner: "bench", Lease: time.Minute,
						})
						if err != nil {
							return
						}
						settlements := make([]delivery.Settlement, len(claims))
						for i, c := range claims {
							settlements[i] = delivery.Settlement{Seq: c.Seq, Token: c.Token, Do: delivery.Done}
						}
						if _, err := s.Settle(context.Background(), settlements); err != nil {
							b.Error(err)
						}
						mu.Lock()
						if left -= len(claims); left == 0 {
							cancel()
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "ev/s")
		})
	}
}

// taking is a destination that takes everything after as long as an
// application nearby needs.
type taking struct {
	left atomic.Int64
	all  chan struct{} // closed after the last
}

func (t *taking) Deliver(ctx context.Context, _ event.Event, _ int) event.Outcome {
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if t.left.Add(-1) == 0 {
		close(t.all)
	}
	return event.Outcome{Verdict: event.Delivered}
}

// BenchmarkDispatch appends while a dispatcher delivers: what a route costs the
// store, in claims and settlements of the sizes that a dispatcher asks for.
func BenchmarkDispatch(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("ordered=%v", ordered), func(b *testing.B) {
			db := testkit.Postgres(b)
			s := open(b, db)
			defer s.Close()
			dest := &taking{all: make(chan struct{})}
			dest.left.Store(int64(b.N * benchBatch))
			d, err := delivery.New(delivery.Config{Route: "orders", Ordered: ordered, Concurrency: 32}, delivery.Deps{
				Queue: s, Destination: dest, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- d.Run(ctx) }()
			b.ResetTimer()
			produce(b, s, 1)
			<-dest.all
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "ev/s")
		})
	}
}
