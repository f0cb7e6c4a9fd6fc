package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// ConsumerConfig sets what is consumed.
type ConsumerConfig struct {
	Queue string
	// Tag names the consumer to people who look at the broker; the broker adds
	// nothing to it, so it should name the process.
	Tag string
	// Prefetch is how many messages may be unacknowledged; at least 1.
	Prefetch int
	// Ready is called whenever a channel is about to consume, for the declaration
	// of what it needs. An error keeps it from consuming until the next try.
	Ready func(ctx context.Context) error
}

// Consumer consumes a queue for as long as it is open, over whatever channels
// that takes. [Consumer.Next] is for one goroutine, the rest for any.
type Consumer struct {
	link   *Link
	cfg    ConsumerConfig
	log    *slog.Logger
	out    chan Batch
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu  sync.Mutex // guards what follows
	ch  *amqp.Channel
	gen int64
	why error // why nothing is consumed; nil while it is
	ack acks
}

// Batch is what a queue handed out at once.
type Batch struct {
	Deliveries []Delivery
	// Lost says that the channel before is gone: what it delivered and was not
	// acknowledged will come again. Deliveries is empty then.
	Lost bool
	// Generation is that of the deliveries, or of what was lost.
	Generation int64
}

// batchLimit bounds a batch.
const batchLimit = 256

// NewConsumer starts consuming. The caller closes it before the link.
func NewConsumer(link *Link, cfg ConsumerConfig) *Consumer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Consumer{
		link: link, cfg: cfg, log: link.log.With("queue", cfg.Queue), out: make(chan Batch, 2), cancel: cancel,
		why: fmt.Errorf("not consuming yet"),
	}
	c.wg.Go(func() { c.run(ctx) })
	return c
}

// Close stops consuming; messages that were not acknowledged go back to the
// queue, in their order. It waits until that has happened.
func (c *Consumer) Close() {
	c.cancel()
	c.wg.Wait()
}

// Next waits for the next batch. It returns ctx's error, or one wrapping
// context.Canceled after Close.
func (c *Consumer) Next(ctx context.Context) (Batch, error) {
	select {
	case b, open := <-c.out:
		if !open {
			return Batch{}, fmt.Errorf("consume %s: %w", c.cfg.Queue, context.Canceled)
		}
		return b, nil
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	}
}

// Trouble is why nothing is consumed now; nil while it is.
func (c *Consumer) Trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Generation is that of the channel which consumes now; 0 if none does.
func (c *Consumer) Generation() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		return 0
	}
	return c.gen
}

func (c *Consumer) run(ctx context.Context) {
	defer close(c.out)
	fails := 0
	for ctx.Err() == nil {
		err := c.session(ctx, func() { fails = 0 })
		if ctx.Err() != nil {
			return
		}
		fails++
		c.mu.Lock()
		c.why = err
		c.mu.Unlock()
		if fails == 1 || fails%10 == 0 {
			c.log.Warn("consuming interrupted", "err", err, "hint", event.HintOf(err), "times", fails)
		}
		pause(ctx, c.link.backoff(fails))
	}
}

// session consumes on one channel until that is lost or ctx is done.
func (c *Consumer) session(ctx context.Context, began func()) error {
	if c.cfg.Ready != nil {
		if err := c.cfg.Ready(ctx); err != nil {
			return err
		}
	}
	ch, err := c.link.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch)
	if err := ch.Qos(c.cfg.Prefetch, 0, false); err != nil {
		return explain("set prefetch", err)
	}
	lost := ch.NotifyClose(make(chan *amqp.Error, 1))
	in, err := ch.ConsumeWithContext(ctx, c.cfg.Queue, c.cfg.Tag, false, false, false, false, nil)
	if err != nil {
		return explain("consume "+c.cfg.Queue, err)
	}
	began()
	c.mu.Lock()
	c.gen++
	gen := c.gen
	c.ch, c.why, c.ack = ch, nil, acks{next: 1}
	c.mu.Unlock()
	c.log.Debug("consuming", "prefetch", c.cfg.Prefetch)

	c.forward(ctx, in, gen)

	c.mu.Lock()
	c.ch = nil
	c.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case c.out <- Batch{Lost: true, Generation: gen}:
	case <-ctx.Done():
	}
	select {
	case err := <-lost:
		return explain("consume "+c.cfg.Queue, err)
	default:
		return refused("consume "+c.cfg.Queue, fmt.Errorf("the broker has cancelled the consumer: the queue was deleted or moved"))
	}
}

// forward passes deliveries on until the channel gives no more.
func (c *Consumer) forward(ctx context.Context, in <-chan amqp.Delivery, gen int64) {
	for {
		select {
		case d, open := <-in:
			if !open {
				return
			}
			b := Batch{Generation: gen, Deliveries: []Delivery{received(&d, gen)}}
			b.fill(in)
			select {
			case c.out <- b:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// fill adds what is there already.
func (b *Batch) fill(in <-chan amqp.Delivery) {
	for len(b.Deliveries) < batchLimit {
		select {
		case d, open := <-in:
			if !open {
				return
			}
			b.Deliveries = append(b.Deliveries, received(&d, b.Generation))
		default:
			return
		}
	}
}

// Ack acknowledges deliveries. Those of a channel that is gone are left out: they
// will come again. It returns how many were of that kind, and never waits for
// the broker.
func (c *Consumer) Ack(deliveries []*Delivery) (stale int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tags := make([]uint64, 0, len(deliveries))
	for _, d := range deliveries {
		if c.ch == nil || d.gen != c.gen {
			stale++
			continue
		}
		tags = append(tags, d.tag)
	}
	upTo, single := c.ack.take(tags)
	if upTo > 0 {
		if err := c.ch.Ack(upTo, true); err != nil {
			return len(deliveries) // the channel is going; its deliveries will come again
		}
	}
	for _, tag := range single {
		if err := c.ch.Ack(tag, false); err != nil {
			return stale + len(single)
		}
	}
	return stale
}

// Requeue gives a delivery back to its queue.
func (c *Consumer) Requeue(d *Delivery) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil || d.gen != c.gen {
		return ErrStale
	}
	c.ack.take([]uint64{d.tag})
	return explain("requeue message", c.ch.Nack(d.tag, false, true))
}

// acks turns the tags of a channel into as few acknowledgements as possible:
// one for all up to a tag, and single ones beyond the first gap.
type acks struct {
	next uint64 // the first tag not acknowledged yet
	done []uint64
}

// take returns the tag up to which to acknowledge at once (0 for none), and
// those to acknowledge one by one.
func (a *acks) take(tags []uint64) (upTo uint64, single []uint64) {
	slices.Sort(tags)
	a.done = append(a.done, tags...)
	slices.Sort(a.done)
	first := a.next
	n := 0
	for n < len(a.done) && a.done[n] == a.next {
		a.next++
		n++
	}
	a.done = slices.Delete(a.done, 0, n)
	for _, t := range tags {
		if t >= first && t < a.next {
			upTo = max(upTo, t)
		} else {
			single = append(single, t)
		}
	}
	return upTo, single
}
