package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Link is one connection to a broker, for one purpose. It connects by itself
// and again whenever the connection is lost, until it is closed. It is safe for
// concurrent use.
type Link struct {
	cfg    Config
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // guards what follows
	conn    *amqp.Connection
	changed chan struct{} // closed at every change of conn
	since   time.Time
	why     error  // why it is not connected; nil when connected
	blocked string // why the broker takes nothing; "" when it does
	closed  bool
	tried   int // connects so far, which go through the nodes in turn
}

// Status is how a link fares.
type Status struct {
	Connected bool
	Since     time.Time
	// Why is what keeps it from connecting; empty when connected.
	Why, Hint string
	// Blocked is why the broker takes no messages, such as "low on memory".
	Blocked string
}

// Open starts a link. It returns at once; the first connect happens in the
// background. The caller closes it.
func Open(cfg Config) (*Link, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check settings of the broker: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Link{
		cfg: cfg, log: cfg.Log.With("component", "rabbit", "connection", cfg.Name),
		cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}), since: time.Now(),
		why: errors.New("not connected yet"),
	}
	go l.run(ctx)
	return l, nil
}

// Close ends the connection and waits until it has gone. Messages that were not
// acknowledged go back to their queues. It may be called twice.
func (l *Link) Close() error {
	l.cancel()
	<-l.done
	return nil
}

// Status says how the link fares now.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{Connected: l.conn != nil, Since: l.since, Blocked: l.blocked}
	if l.why != nil && l.conn == nil {
		s.Why, s.Hint = l.why.Error(), event.HintOf(l.why)
	}
	return s
}

// Blocked returns a throttled error while the broker takes no messages.
func (l *Link) Blocked() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blocked == "" {
		return nil
	}
	return &event.Error{
		Op: "publish", Happened: event.HappenedNo, Healing: event.Throttled, After: 5 * time.Second,
		Hint: "the broker has raised an alarm: free memory or disk there, or let consumers catch up",
		Err:  fmt.Errorf("the broker takes no messages: %s", l.blocked),
	}
}

func (l *Link) run(ctx context.Context) {
	defer close(l.done)
	fails := 0
	for ctx.Err() == nil {
		conn, err := l.dial(ctx)
		if err != nil {
			fails++
			wait := l.backoff(fails)
			l.set(nil, err)
			if ctx.Err() == nil && (fails == 1 || fails%10 == 0) {
				l.log.Warn("broker not reached", "err", err, "hint", event.HintOf(err), "times", fails, "next", wait)
			}
			pause(ctx, wait)
			continue
		}
		fails = 0
		l.watch(ctx, conn)
	}
	l.mu.Lock()
	l.closed, l.why = true, errClosed
	close(l.changed)
	l.mu.Unlock()
}

var errClosed = errors.New("the connection was closed by us")

// watch serves a connection until it is lost or ctx is done.
func (l *Link) watch(ctx context.Context, conn *amqp.Connection) {
	lost := conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	l.set(conn, nil)
	l.log.Info("connected to the broker", "version", conn.Properties["version"])
	for {
		select {
		case b, open := <-blocked:
			if !open {
				blocked = nil
				continue
			}
			l.block(b)
		case err := <-lost:
			why := explain("keep the connection", err)
			l.set(nil, why)
			if ctx.Err() == nil {
				l.log.Warn("connection to the broker lost", "err", why)
			}
			return
		case <-ctx.Done():
			l.set(nil, errClosed)
			_ = conn.CloseDeadline(time.Now().Add(3 * time.Second))
			return
		}
	}
}

func (l *Link) block(b amqp.Blocking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.Active {
		l.blocked = ""
		l.log.Info("the broker takes messages again")
		return
	}
	l.blocked = b.Reason
	if l.blocked == "" {
		l.blocked = "no reason given"
	}
	l.log.Warn("the broker takes no messages", "why", l.blocked)
}

func (l *Link) set(conn *amqp.Connection, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if (conn == nil) != (l.conn == nil) {
		l.since = time.Now()
	}
	l.conn, l.why, l.blocked = conn, why, ""
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) dial(ctx context.Context) (*amqp.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.DialTimeout)
	defer cancel()
	url, err := l.node(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat: l.cfg.Heartbeat, TLSClientConfig: l.cfg.TLS.Clone(),
		Properties: amqp.Table{"connection_name": l.cfg.Name, "product": "sallyport"},
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			deadline, _ := ctx.Deadline()
			if err := c.SetDeadline(deadline); err != nil { // for the log-in; the library lifts it
				return nil, errors.Join(err, c.Close())
			}
			return newCoalescing(c), nil
		},
	})
	if err != nil {
		return nil, explain("connect to the broker", err)
	}
	return conn, nil
}

// node returns the URL of the node whose turn it is.
func (l *Link) node(ctx context.Context) (string, error) {
	text, err := l.cfg.URL(ctx)
	if err != nil {
		return "", fmt.Errorf("read the broker's address: %w", err)
	}
	all := nodes(text)
	l.mu.Lock()
	url := all[l.tried%len(all)]
	l.tried++
	l.mu.Unlock()
	return url, checkURL(url)
}

func (l *Link) backoff(fails int) time.Duration {
	wait := l.cfg.RetryFirst
	for ; fails > 1 && wait < l.cfg.RetryMax; fails-- {
		wait *= 2
	}
	wait = min(wait, l.cfg.RetryMax)
	return wait/2 + rand.N(wait/2+1)
}

// channel opens a channel, waiting for the connection as long as ctx allows.
func (l *Link) channel(ctx context.Context) (*amqp.Channel, error) {
	for {
		l.mu.Lock()
		conn, changed, why, closed := l.conn, l.changed, l.why, l.closed
		l.mu.Unlock()
		if closed {
			return nil, refused("open channel", errClosed)
		}
		if conn != nil {
			ch, err := openChannel(ctx, conn)
			if err == nil || ctx.Err() != nil || !conn.IsClosed() {
				return ch, explain("open channel", err)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, refused("reach the broker", errors.Join(why, ctx.Err()))
		}
	}
}

// openChannel opens a channel, or gives up when ctx is done: a broker that is
// gone without a word answers only by the heartbeat.
func openChannel(ctx context.Context, conn *amqp.Connection) (*amqp.Channel, error) {
	type opened struct {
		ch  *amqp.Channel
		err error
	}
	got := make(chan opened, 1)
	go func() {
		ch, err := conn.Channel()
		got <- opened{ch, err}
	}()
	select {
	case o := <-got:
		return o.ch, o.err
	case <-ctx.Done():
		go func() {
			if o := <-got; o.ch != nil {
				_ = o.ch.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// pause waits for d and reports whether it did so in full.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// closeChannel closes a channel, without waiting for a broker that is gone
// without a word: the heartbeat, or the link's end, ends the channel then.
func closeChannel(ch *amqp.Channel) {
	if ch == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ch.Close()
	}()
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
