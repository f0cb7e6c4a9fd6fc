package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// PublisherConfig sets how messages are published. Zero means the default.
type PublisherConfig struct {
	// Channels that publish side by side; default 4.
	Channels int
	// Window is how many messages of a channel may wait for their confirm; default 256.
	Window int
}

// Publisher publishes with confirms, persistent and mandatory. It is safe for
// concurrent use; what many callers publish at once goes out together.
type Publisher struct {
	link   *Link
	lanes  []*publishing
	next   atomic.Uint32
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewPublisher starts a publisher on a link. The caller closes it before the link.
func NewPublisher(link *Link, cfg PublisherConfig) *Publisher {
	if cfg.Channels <= 0 {
		cfg.Channels = 4
	}
	if cfg.Window <= 0 {
		cfg.Window = 256
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{link: link, cancel: cancel}
	for range cfg.Channels {
		lane := &publishing{link: link, window: cfg.Window, in: make(chan *pending, cfg.Window), log: link.log}
		p.lanes = append(p.lanes, lane)
		p.wg.Go(func() { lane.run(ctx) })
	}
	return p
}

// Close stops publishing and waits until that has happened. What has no answer
// by then ends as unknown.
func (p *Publisher) Close() {
	p.cancel()
	p.wg.Wait()
}

// Publish publishes messages and waits until each is confirmed, returned,
// refused, or ctx is done. It returns nil if all are confirmed, and otherwise an
// error per message (nil for the confirmed ones): an [event.Error] that says
// whether it happened, wrapping [ErrReturned], [ErrNacked] or [ErrUnknown].
func (p *Publisher) Publish(ctx context.Context, out []Publication) []error {
	if err := p.link.Blocked(); err != nil {
		return all(len(out), err)
	}
	c := &publishCall{left: len(out), state: make([]int8, len(out)), errs: make([]error, len(out)), done: make(chan struct{})}
	spread := p.next.Add(1)
	for i := range out {
		lane := p.lanes[spread%uint32(len(p.lanes))]
		if out[i].Order != 0 {
			lane = p.lanes[out[i].Order%uint32(len(p.lanes))]
		}
		select {
		case lane.in <- &pending{call: c, index: i, out: &out[i]}:
		case <-ctx.Done():
			return c.abandon(ctx.Err())
		}
	}
	if len(out) == 0 {
		return nil
	}
	select {
	case <-c.done:
		return c.result()
	case <-ctx.Done():
		return c.abandon(ctx.Err())
	}
}

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// The states of a message in a call.
const (
	publishQueued int8 = iota
	publishWritten
	publishEnded
)

// publishCall is one caller's messages.
type publishCall struct {
	done chan struct{}

	mu     sync.Mutex // guards what follows
	left   int
	state  []int8
	errs   []error
	gone   bool // the caller no longer waits
	failed bool
}

// begin reports whether a message is still wanted, and counts it as written. One
// that keeps an order is not, when another of the call has failed: it would
// overtake that one's repetition.
func (c *publishCall) begin(i int, ordered bool) bool {
	c.mu.Lock()
	held := ordered && c.failed
	wanted := !c.gone && !held
	if wanted {
		c.state[i] = publishWritten
	}
	c.mu.Unlock()
	if held {
		c.end(i, refused("publish", ErrHeld))
	}
	return wanted
}

func (c *publishCall) end(i int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.state[i] == publishEnded {
		return
	}
	c.state[i], c.errs[i] = publishEnded, err
	c.failed = c.failed || err != nil
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

func (c *publishCall) result() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.failed {
		return nil
	}
	return c.errs
}

// abandon ends the call for a caller that goes away.
func (c *publishCall) abandon(why error) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for i, s := range c.state {
		switch s {
		case publishQueued:
			c.errs[i] = refused("publish", why)
		case publishWritten:
			c.errs[i] = unknown(why)
		}
	}
	return c.errs
}

func unknown(why error) error {
	return &event.Error{
		Op: "publish", Happened: event.HappenedUnknown, Healing: event.Transient,
		Hint: "publish it again under the same id", Err: errors.Join(ErrUnknown, why),
	}
}

// pending is a message on its way.
type pending struct {
	call     *publishCall
	index    int
	out      *Publication
	returned string
}

// publishing is one channel that publishes, and its successors.
type publishing struct {
	link   *Link
	window int
	in     chan *pending
	log    *slog.Logger

	opened  time.Time   // when the channel was
	kept    *pending    // what the channel before had taken and not written
	refused atomic.Bool // the broker has refused a message on the channel

	mu    sync.Mutex // guards what follows
	ahead map[uint64]*pending
}

func (l *publishing) run(ctx context.Context) {
	fails := 0
	for ctx.Err() == nil {
		ch, err := l.link.channel(ctx)
		if err == nil {
			err = ch.Confirm(false)
		}
		if err == nil {
			fails = 0
			err = l.serve(ctx, ch)
		}
		if err != nil && ctx.Err() == nil {
			fails++
			l.log.Warn("publishing interrupted", "err", err)
			pause(ctx, l.link.backoff(fails))
		}
	}
	// Nobody takes what is still queued; its callers give up by their contexts.
}

// serve publishes on a channel until that is lost or ctx is done.
func (l *publishing) serve(ctx context.Context, ch *amqp.Channel) error {
	l.mu.Lock()
	l.ahead = make(map[uint64]*pending, l.window)
	l.mu.Unlock()
	l.opened = time.Now()
	l.refused.Store(false)
	slots := make(chan struct{}, l.window)
	lost := ch.NotifyClose(make(chan *amqp.Error, 1))
	// Without buffers: a message's return is then taken in before its confirm.
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation))
	returns := ch.NotifyReturn(make(chan amqp.Return))
	var reader sync.WaitGroup
	reader.Go(func() { l.listen(confirms, returns, slots) })
	err := l.write(ctx, ch, slots, lost)
	closeChannel(ch)
	reader.Wait()
	l.giveUp(err)
	return err
}

// write writes what callers hand over.
func (l *publishing) write(ctx context.Context, ch *amqp.Channel, slots chan struct{}, lost <-chan *amqp.Error) error {
	for tag := uint64(1); ; {
		p, err := l.take(ctx, lost)
		if err != nil {
			return err
		}
		if l.worn() {
			l.kept = p
			return l.drain(ctx, slots, lost)
		}
		select {
		case slots <- struct{}{}:
		case err := <-lost:
			l.kept = p
			return explain("publish", err)
		case <-ctx.Done():
			return ctx.Err()
		}
		if !p.call.begin(p.index, p.out.Order != 0) {
			<-slots
			continue
		}
		l.mu.Lock()
		l.ahead[tag] = p
		l.mu.Unlock()
		tag++
		if err := ch.PublishWithContext(ctx, p.out.Exchange, p.out.Key, true, false, p.out.publishing()); err != nil {
			return explain("publish", err)
		}
	}
}

// take waits for the next message: first the one that the channel before was left with.
func (l *publishing) take(ctx context.Context, lost <-chan *amqp.Error) (*pending, error) {
	if p := l.kept; p != nil {
		l.kept = nil
		return p, nil
	}
	select {
	case p := <-l.in:
		return p, nil
	case err := <-lost:
		return nil, explain("publish", err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wornAge is how old a channel must be to be replaced because the broker has
// refused a message on it.
const wornAge = time.Second

// worn reports whether the channel should be replaced: a channel that was opened
// while a quorum queue's leader was gone may hold on to that leader (RabbitMQ 3.10
// does) and refuse everything for as long as that node is away, though the
// queue has another one. A new channel asks who leads now.
func (l *publishing) worn() bool {
	return l.refused.Load() && time.Since(l.opened) > wornAge
}

// drain waits until everything written is answered, so that leaving the channel
// leaves nothing unknown.
func (l *publishing) drain(ctx context.Context, slots chan struct{}, lost <-chan *amqp.Error) error {
	for range cap(slots) {
		select {
		case slots <- struct{}{}:
		case err := <-lost:
			return explain("publish", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return refused("publish", ErrNacked)
}

// listen takes in returns and confirms until the channel is gone.
func (l *publishing) listen(confirms <-chan amqp.Confirmation, returns <-chan amqp.Return, slots <-chan struct{}) {
	for confirms != nil || returns != nil {
		select {
		case r, open := <-returns:
			if !open {
				returns = nil
				continue
			}
			l.returned(r)
		case c, open := <-confirms:
			if !open {
				confirms = nil
				continue
			}
			l.confirmed(c)
			<-slots
		}
	}
}

// returned marks the message that came back; the protocol names it only by what
// we put in it, so all alike under way are marked: they went the same way.
func (l *publishing) returned(r amqp.Return) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.ahead {
		if p.out.ID == r.MessageId && p.out.Key == r.RoutingKey && p.out.Exchange == r.Exchange {
			p.returned = r.ReplyText
		}
	}
}

func (l *publishing) confirmed(c amqp.Confirmation) {
	l.mu.Lock()
	p := l.ahead[c.DeliveryTag]
	delete(l.ahead, c.DeliveryTag)
	l.mu.Unlock()
	if p == nil {
		return
	}
	switch {
	case p.returned != "":
		p.call.end(p.index, &event.Error{
			Op: "publish", Happened: event.HappenedNo, Healing: event.Permanent,
			Hint: "check the exchange's bindings", Err: fmt.Errorf("%w (exchange %q, routing key %q)", ErrReturned, p.out.Exchange, p.out.Key),
		})
	case !c.Ack:
		l.refused.Store(true)
		p.call.end(p.index, &event.Error{
			Op: "publish", Happened: event.HappenedUnknown, Healing: event.Throttled,
			Hint: "a queue has reached its limit or has no leader; look at it on the broker", Err: ErrNacked,
		})
	default:
		p.call.end(p.index, nil)
	}
}

// giveUp ends what has no answer when a channel is gone.
func (l *publishing) giveUp(why error) {
	l.mu.Lock()
	ahead := l.ahead
	l.ahead = nil
	l.mu.Unlock()
	for _, p := range ahead {
		p.call.end(p.index, unknown(why))
	}
}
