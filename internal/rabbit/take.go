package rabbit

import (
	"context"
	"fmt"
)

// Take gets up to limit messages of a queue, one by one, and gives each to use,
// which says whether the message has been dealt with and may go. The others, and
// all that were not acknowledged when something failed, are back in the queue
// when Take returns. It returns how many use has seen.
func (l *Link) Take(ctx context.Context, queue string, limit int, use func(d *Delivery) (done bool, err error)) (seen int, err error) {
	ch, err := l.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(ch)
	for ; seen < limit && ctx.Err() == nil; seen++ {
		m, found, err := ch.Get(queue, false)
		if err != nil {
			return seen, explain("read queue "+queue, err)
		}
		if !found {
			return seen, nil
		}
		d := received(&m, 0)
		done, err := use(&d)
		if err != nil {
			return seen, fmt.Errorf("handle a message of %s: %w", queue, err)
		}
		if done {
			if err := ch.Ack(m.DeliveryTag, false); err != nil {
				return seen, explain("acknowledge message", err)
			}
		}
	}
	return seen, ctx.Err()
}
