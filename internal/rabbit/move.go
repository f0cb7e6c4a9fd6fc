package rabbit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// moveBytes bounds what a move holds in memory, one message aside.
const moveBytes = 8 << 20

// Move takes messages out of one queue and puts them into another, whole and in
// their order, until the first is empty: each is acknowledged only when the broker has
// confirmed its successor, persistent. After an interruption none is missing, and those
// whose confirmation had not been acknowledged yet are in both. Each tells how many were
// moved since the last call.
func (l *Link) Move(ctx context.Context, from, to string, each func(n int)) (moved int, err error) {
	in, err := l.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(in)
	out, err := l.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(out)
	if err := out.Confirm(false); err != nil {
		return 0, explain("ask for confirms", err)
	}
	m := mover{in: in, out: out, from: from, to: to, returned: out.NotifyReturn(make(chan amqp.Return, takeBatch))}
	for ctx.Err() == nil {
		n, err := m.some(ctx)
		moved += n
		if err != nil || n == 0 {
			return moved, err
		}
		each(n)
	}
	return moved, ctx.Err()
}

type mover struct {
	in, out  *amqp.Channel
	from, to string
	returned chan amqp.Return
}

// some moves what is there, up to a batch.
func (m *mover) some(ctx context.Context) (int, error) {
	var last uint64
	var confirms []*amqp.DeferredConfirmation
	for size := 0; len(confirms) < takeBatch && size < moveBytes; {
		d, found, err := m.in.Get(m.from, false)
		if err != nil {
			return 0, explain("read queue "+m.from, err)
		}
		if !found {
			break
		}
		c, err := m.out.PublishWithDeferredConfirmWithContext(ctx, "", m.to, true, false, again(&d))
		if err != nil {
			return 0, explain("publish to queue "+m.to, err)
		}
		last, size, confirms = d.DeliveryTag, size+len(d.Body), append(confirms, c)
	}
	if len(confirms) == 0 {
		return 0, nil
	}
	for _, c := range confirms {
		ok, err := c.WaitContext(ctx)
		switch {
		case err != nil:
			return 0, refused("wait until "+m.to+" has the messages", err)
		case !ok:
			return 0, refused("publish to queue "+m.to, ErrNacked)
		}
	}
	if len(m.returned) > 0 {
		return 0, &event.Error{
			Op: "publish to queue " + m.to, Happened: event.HappenedNo, Healing: event.Transient,
			Hint: "run it again", Err: errors.Join(ErrReturned, fmt.Errorf("the queue %s is gone", m.to)),
		}
	}
	return len(confirms), explain("acknowledge messages", m.in.Ack(last, true))
}

// again is a delivery as a message to publish, with all that it had but the
// queue's own count.
func again(d *amqp.Delivery) amqp.Publishing {
	delete(d.Headers, "x-delivery-count")
	delete(d.Headers, "x-acquired-count")
	return amqp.Publishing{
		Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: amqp.Persistent,
		Priority: d.Priority, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageId: d.MessageId,
		Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId, Body: d.Body,
	}
}
