package rabbit

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// takeBatch is how many messages Take hands over at once.
const takeBatch = 100

// Take gets up to limit messages of a queue and gives them to use, some at a
// time, which says of each whether it has been dealt with and may go. The others,
// and all that were not acknowledged when something failed, are back in the queue
// when Take returns. It returns how many use has seen.
func (l *Link) Take(ctx context.Context, queue string, limit int, use func(some []*Delivery) (done []bool, err error)) (seen int, err error) {
	ch, err := l.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(ch)
	for seen < limit && ctx.Err() == nil {
		some, err := get(ch, queue, min(limit-seen, takeBatch))
		if err != nil || len(some) == 0 {
			return seen, err
		}
		seen += len(some)
		done, err := use(some)
		if err != nil {
			return seen, fmt.Errorf("handle messages of %s: %w", queue, err)
		}
		for i, d := range some {
			if !done[i] {
				continue
			}
			if err := ch.Ack(d.tag, false); err != nil {
				return seen, explain("acknowledge message", err)
			}
		}
	}
	return seen, ctx.Err()
}

func get(ch *amqp.Channel, queue string, most int) (some []*Delivery, err error) {
	for len(some) < most {
		m, found, err := ch.Get(queue, false)
		if err != nil {
			return nil, explain("read queue "+queue, err)
		}
		if !found {
			break
		}
		d := received(&m, 0)
		some = append(some, &d)
	}
	return some, nil
}
