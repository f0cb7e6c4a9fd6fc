package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A network that swallows everything and closes nothing is noticed by the
// heartbeat: who publishes learns that the outcome is unknown long before its time is
// over, the link says why it is down, and when the network is back everything goes on. What
// was repeated under its id is in the queue at least once; nothing is lost.
func TestLink_NoticesANetworkThatSwallowsEverything(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	wire := testkit.NewCutter(t, b.URL)
	l := open(t, wire.URL) // a heartbeat a second
	declare(t, l, "work")
	p := publisher(t, l)
	c := rabbit.NewConsumer(l, rabbit.ConsumerConfig{Queue: "work", Tag: "test", Prefetch: 100})
	defer c.Close()
	if errs := p.Publish(within(t), []rabbit.Publication{message("work", "work", 0)}); errs != nil {
		t.Fatal(errs[0])
	}
	wire.Part()
	patience, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	errs := p.Publish(patience, []rabbit.Publication{message("work", "work", 1)})
	if errs == nil || patience.Err() != nil {
		t.Fatalf("published into a network that swallows everything: %v, %v", errs, patience.Err())
	}
	var e *event.Error
	if !errors.As(errs[0], &e) || e.Happened == event.HappenedYes || e.Healing == event.Permanent || e.Hint == "" {
		t.Errorf("the error says %+v", errs[0])
	}
	for s := l.Status(); s.Connected || s.Why == "" || s.Hint == ""; s = l.Status() {
		if patience.Err() != nil {
			t.Fatalf("status %+v", s)
		}
		breathe(patience)
	}
	wire.Heal()
	wire.Cut() // the old connections are dead on both sides
	for n := 1; n < 4; {
		if errs := p.Publish(within(t), []rabbit.Publication{message("work", "work", n)}); errs == nil {
			n++
		} else if within(t).Err() != nil {
			t.Fatal(errs[0])
		}
	}
	got := map[string]bool{}
	for ctx := within(t); len(got) < 4; {
		batch, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("%v after %v", err, got)
		}
		var refs []*rabbit.Delivery
		for i := range batch.Deliveries {
			got[batch.Deliveries[i].ID] = true
			refs = append(refs, &batch.Deliveries[i])
		}
		c.Ack(refs)
	}
	for n := range 4 {
		if !got[fmt.Sprint(n)] {
			t.Errorf("message %d is lost", n)
		}
	}
}
