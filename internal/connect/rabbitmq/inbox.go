package rabbitmq

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// Inbox reads a queue that exists already. Receive is for one goroutine.
type Inbox struct {
	consumer *rabbit.Consumer
	route    string
	last     []*rabbit.Delivery
}

// NewInbox starts reading a queue for a route. The caller closes it.
func NewInbox(link *rabbit.Link, route, queue, owner string, prefetch int) *Inbox {
	return &Inbox{route: route, consumer: rabbit.NewConsumer(link, rabbit.ConsumerConfig{
		Queue: queue, Tag: owner + " reads for " + route, Prefetch: prefetch,
	})}
}

// Receive waits for messages and returns them as events. known says of each whether the
// message had an id of its own. What is not acknowledged comes again.
func (i *Inbox) Receive(ctx context.Context) (events []event.Event, known []bool, err error) {
	for {
		b, err := i.consumer.Next(ctx)
		if err != nil {
			return nil, nil, err
		}
		if b.Lost {
			continue
		}
		i.last = i.last[:0]
		now := time.Now().UTC()
		for n := range b.Deliveries {
			d := &b.Deliveries[n]
			e, own := eventOf(i.route, d, now)
			events, known, i.last = append(events, e), append(known, own), append(i.last, d)
		}
		return events, known, nil
	}
}

// Done acknowledges what the last Receive returned.
func (i *Inbox) Done() { i.consumer.Ack(i.last) }

// Trouble says why nothing is read now, and what to do; empty while it is.
func (i *Inbox) Trouble() (why, hint string) {
	err := i.consumer.Trouble()
	if err == nil {
		return "", ""
	}
	return err.Error(), event.HintOf(err)
}

// Close stops reading.
func (i *Inbox) Close() { i.consumer.Close() }
