package rabbit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

var benchBody = make([]byte, 1024)

// callers runs b.N publications by so many callers at once.
func callers(b *testing.B, n int, publish func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := publish(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkPublish is one confirmed message per caller into a quorum queue, by
// the library alone (4 channels on one connection, each with a deferred confirm)
// and by the publisher.
func BenchmarkPublish(b *testing.B) {
	broker := testkit.RabbitMQ(b)
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("library/%d", n), func(b *testing.B) {
			conn, err := amqp.Dial(broker.URL)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			var channels []*amqp.Channel
			for range 4 {
				ch, err := conn.Channel()
				if err == nil {
					err = ch.Confirm(false)
				}
				if err != nil {
					b.Fatal(err)
				}
				channels = append(channels, ch)
			}
			if _, err := channels[0].QueueDeclare("bench", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
				b.Fatal(err)
			}
			callers(b, n, func(i int64) error {
				d, err := channels[i%4].PublishWithDeferredConfirm("", "bench", true, false, amqp.Publishing{Body: benchBody, DeliveryMode: amqp.Persistent})
				if err == nil && !d.Wait() {
					err = rabbit.ErrNacked
				}
				return err
			})
			_, _ = channels[0].QueuePurge("bench", false)
		})
		b.Run(fmt.Sprintf("publisher/%d", n), func(b *testing.B) {
			l, err := rabbit.Open(rabbit.Config{URL: func(context.Context) (string, error) { return broker.URL, nil }, Log: testkit.Log(b)})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			p := rabbit.NewPublisher(l, rabbit.PublisherConfig{})
			defer p.Close()
			if err := l.Declare(b.Context(), rabbit.Topology{Queues: []rabbit.Queue{{Name: "bench", Args: map[string]any{"x-queue-type": "quorum"}}}}); err != nil {
				b.Fatal(err)
			}
			callers(b, n, func(int64) error {
				if errs := p.Publish(b.Context(), []rabbit.Publication{{Key: "bench", Message: rabbit.Message{Body: benchBody}}}); errs != nil {
					return errs[0]
				}
				return nil
			})
			_, _ = l.Purge(b.Context(), "bench")
		})
	}
}
