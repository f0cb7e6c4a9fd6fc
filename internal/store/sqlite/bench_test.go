package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
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
		events[i] = event.Event{
			ID:     fmt.Sprintf("%08x-1c54-4b4c-9c1e-%012x", (n*benchBatch+i)*2654435761%(1<<32), n*benchBatch+i),
			Source: "salesforce/00D000000000001AAA/data/OrderChangeEvent", Type: "com.salesforce.change.Order.update",
			Subject: fmt.Sprintf("801%012dAAA", (n*benchBatch+i)%5000), Key: fmt.Sprintf("801%012dAAA", (n*benchBatch+i)%5000),
			Time: time.Now().UTC(), OrgID: "00D000000000001AAA", Route: "orders", Data: data,
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}
	}
	return events
}

// processorTime is what the process has used so far. On a machine that others
// use as well it tells more than the time on the clock.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, events int, used time.Duration) {
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "ev/s")
	b.ReportMetric(float64((processorTime()-used).Nanoseconds())/1000/float64(events), "cpu-us/ev")
}

// BenchmarkAppend appends batches of 100 events of 1 KB from several callers.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 4} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store.db"))
			defer s.Close()
			used := processorTime()
			b.ResetTimer()
			produce(b, s, callers)
			report(b, b.N*benchBatch, used)
		})
	}
}

// produce appends b.N batches from several callers.
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

// BenchmarkThrough appends, claims and settles at the same time.
func BenchmarkThrough(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("ordered=%v", ordered), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store.db"))
			defer s.Close()
			used := processorTime()
			b.ResetTimer()
			var wg sync.WaitGroup
			wg.Go(func() { produce(b, s, 2) })
			consume(b, s, ordered)
			wg.Wait()
			report(b, b.N*benchBatch, used)
		})
	}
}

// consume claims and settles b.N batches from two callers.
func consume(b *testing.B, s contract.Store, ordered bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var left atomic.Int64
	left.Store(int64(b.N * benchBatch))
	var wg sync.WaitGroup
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
				if left.Add(-int64(len(claims))) == 0 {
					cancel()
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkBacklog claims and settles what had gathered before: give -benchtime
// 10000x for a million events.
func BenchmarkBacklog(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("ordered=%v", ordered), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "store.db")
			s := open(b, path)
			produce(b, s, 4)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			s = open(b, path)
			defer s.Close()
			used := processorTime()
			b.ResetTimer()
			consume(b, s, ordered)
			report(b, b.N*benchBatch, used)
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapSys)/(1<<20), "heap-MiB")
		})
	}
}

// BenchmarkAccept has many callers hand over one event each, with an id to be
// remembered.
func BenchmarkAccept(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store.db"))
			defer s.Close()
			in := s.(route.Intake)
			sample := batch(0)
			used := processorTime()
			b.ResetTimer()
			var n atomic.Int64
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						e := sample[i%benchBatch]
						e.ID = fmt.Sprintf("%016x-%d", uint64(i)*0x9e3779b97f4a7c15, i)
						if _, err := in.Accept(context.Background(), []route.Arrival{{Event: e, Digest: []byte(e.ID), Remember: 24 * time.Hour}}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			report(b, b.N, used)
		})
	}
}
