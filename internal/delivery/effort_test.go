package delivery_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// What an event takes is the time of all attempts on it, whoever made them.
func TestEffort_CountsAttemptsAndTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := deliverytest.New()
		dest := deliverytest.Answering(func(_ context.Context, e event.Event, attempt int) event.Outcome {
			time.Sleep(200 * time.Millisecond)
			if e.ID == "e-00000" && attempt == 1 {
				return failed
			}
			return delivered
		})
		d, err := delivery.New(delivery.Config{Route: "orders", Concurrency: 2}, delivery.Deps{Queue: queue, Destination: dest, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		queue.Add(events(10, 0)...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got, want := d.Effort(), (delivery.Effort{Attempts: 11, Failed: 1, Work: 2200 * time.Millisecond}); got != want {
			t.Errorf("effort %+v, want %+v", got, want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
