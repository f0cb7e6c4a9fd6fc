package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// kilobyte is an event of 1 KB with one of 5,000 keys.
func kilobyte(i int) event.Event {
	data := make([]byte, 1024)
	for j := range data {
		data[j] = 'a' + byte(j%26)
	}
	return event.Event{
		ID: fmt.Sprintf("%08x-1c54-4b4c-9c1e-%012x", uint32(i*2654435761), i), Source: "salesforce/00D000000000001EAA/data/OrderChangeEvent",
		Type: "com.salesforce.change.Order.update", Subject: fmt.Sprintf("801%012dAAA", i%5000), Key: fmt.Sprintf("801%012dAAA", i%5000),
		Time: time.Now().UTC(), OrgID: "00D000000000001EAA", Route: routeName, Data: data,
	}
}

// counting counts deliveries and says when there were enough.
type counting struct {
	next event.Destination
	left atomic.Int64
	done chan struct{}
}

func (c *counting) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	o := c.next.Deliver(ctx, e, attempt)
	if o.Verdict == event.Delivered && c.left.Add(-1) == 0 {
		close(c.done)
	}
	return o
}

type instantly struct{}

func (instantly) Deliver(context.Context, event.Event, int) event.Outcome {
	return event.Outcome{Verdict: event.Delivered, Status: 200}
}

func runDispatcher(b *testing.B, q delivery.Queue, dest event.Destination, ordered bool) {
	b.Helper()
	c := &counting{next: dest, done: make(chan struct{})}
	c.left.Store(int64(b.N))
	d := must(delivery.New(delivery.Config{Route: routeName, Ordered: ordered, Concurrency: 64}, delivery.Deps{
		Queue: q, Destination: c, Log: slog.New(slog.DiscardHandler),
	}))(b)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	wg.Go(func() { _ = d.Run(ctx) })
	used := processorTime()
	<-c.done
	cancel()
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-used)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ev/s")
}

// BenchmarkDispatcher is the engine's own cost: a queue that costs next to
// nothing and a destination that does nothing.
func BenchmarkDispatcher(b *testing.B) {
	q := deliverytest.NewFeed(kilobyte, b.N)
	runDispatcher(b, q, instantly{}, false)
}

// BenchmarkDeliver delivers from a store over HTTP, one by one, the sink in
// this process.
func BenchmarkDeliver(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer sink.Close()
	for name, ordered := range map[string]bool{"ordered": true, "unordered": false} {
		b.Run("sqlite/"+name, func(b *testing.B) {
			s := openSQLite(b)
			fill(b, s)
			out := must(httpout.New(httpout.Config{URL: sink.URL, Concurrency: 64}))(b)
			defer out.Close()
			runDispatcher(b, s, out, ordered)
		})
	}
	b.Run("limit: http alone", func(b *testing.B) {
		out := must(httpout.New(httpout.Config{URL: sink.URL, Concurrency: 64}))(b)
		defer out.Close()
		b.SetParallelism(32) // times two processors
		e := kilobyte(1)
		b.ReportAllocs()
		used := processorTime()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if o := out.Deliver(context.Background(), e, 1); o.Verdict != event.Delivered {
					b.Error(o)
				}
			}
		})
		b.ReportMetric(float64(processorTime()-used)/float64(b.N), "cpu-ns/op")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ev/s")
	})
}

// processorTime is what this process has used. On a machine that is shared it
// says more than the clock.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fill(b *testing.B, s subscription.Journal) {
	b.Helper()
	const batch = 1000
	for from := 0; from < b.N; from += batch {
		a := subscription.Append{Subscription: "bench", Position: []byte{byte(from)}}
		for i := from; i < min(from+batch, b.N); i++ {
			a.Events = append(a.Events, kilobyte(i))
		}
		if err := s.Append(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}
