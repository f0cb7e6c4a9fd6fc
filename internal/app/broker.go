package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/rabbitmq"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// broker is the connections to RabbitMQ: one to publish and one to consume,
// because a broker that takes no messages stops reading from who publishes.
type broker struct {
	publish, consume *rabbit.Link
	tls              *tls.Config
	// publishers are those of destinations: one each, because an exchange that does
	// not exist costs whoever publishes to it the channel.
	publishers []*rabbit.Publisher
}

// openBroker opens the connections; it does not wait for them.
func openBroker(s config.RabbitMQ, owner string, log *slog.Logger) (*broker, error) {
	cfg := rabbit.Config{
		URL: brokerURL(s), Heartbeat: s.Heartbeat, Log: log, TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read rabbitmq.ca_file: %w", err)
		}
		cfg.TLS.RootCAs = x509.NewCertPool()
		if !cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read rabbitmq.ca_file: it holds no certificate")
		}
	}
	b := &broker{tls: cfg.TLS}
	var err error
	cfg.Name = "sallyport publish " + owner
	if b.publish, err = rabbit.Open(cfg); err != nil {
		return nil, err
	}
	cfg.Name = "sallyport consume " + owner
	if b.consume, err = rabbit.Open(cfg); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *broker) close() error {
	for _, p := range b.publishers {
		p.Close()
	}
	var errs []error
	for _, l := range []*rabbit.Link{b.publish, b.consume} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// brokerURL is asked at every connect.
func brokerURL(s config.RabbitMQ) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		if s.URLFile == "" {
			return s.URL.Reveal(), nil
		}
		text, err := os.ReadFile(s.URLFile)
		if err != nil {
			return "", fmt.Errorf("read rabbitmq.url_file: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
}

// addBroker opens the broker and the queues of the routes that wait in it, or have.
func (g *Gateway) addBroker(ctx context.Context, s config.Settings, bindings []binding, owner string) error {
	g.rooms = &rooms{store: g.store, shelter: g.store, keys: g.keys, began: time.Now(), log: g.log}
	if err := errors.Join(g.rooms.recall(ctx, s, bindings), g.addGate(ctx, bindings)); err != nil {
		return err
	}
	if !s.UsesRabbitMQ() && len(g.rooms.left) == 0 {
		return nil
	}
	var err error
	if g.broker, err = openBroker(s.RabbitMQ, owner, g.log); err != nil {
		return err
	}
	g.closers = append(g.closers, g.broker.close)
	cfg := queueConfig(s, bindings, owner, g.rooms.left)
	if len(cfg.Routes) == 0 {
		return nil
	}
	g.warnShared(s, cfg)
	register := &storeRegister{Register: g.store, store: g.store, moved: g.rooms.both(), until: g.rooms.began.Add(repeatSpan)}
	g.rooms.queues, err = newQueues(cfg, g.broker, register, g.rooms, g.log)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, g.rooms.queues.Close)
	for _, r := range cfg.Routes {
		g.troubles = append(g.troubles, trouble{r.Name, func() (why, hint string) { return g.rooms.queues.Trouble(r.Name) }})
	}
	return nil
}

func newQueues(cfg rabbitqueue.Config, b *broker, r contract.Register, follow route.Intake, log *slog.Logger) (*rabbitqueue.Queue, error) {
	return rabbitqueue.New(cfg, rabbitqueue.Deps{Publish: b.publish, Consume: b.consume, Register: r, Follow: follow, Log: log})
}

// sharedUnacked is what a connection to CloudAMQP's shared plans may hold
// unacknowledged before it is cut.
const sharedUnacked = 1000

// queueConfig is how the routes wait that wait in the broker, or have waited there.
func queueConfig(s config.Settings, bindings []binding, owner string, left map[string]bool) rabbitqueue.Config {
	cfg := rabbitqueue.Config{Prefix: s.RabbitMQ.Prefix, DeliveryLimit: s.RabbitMQ.DeliveryLimit, Owner: owner}
	for _, b := range bindings {
		if b.settings.Waits != config.WaitsRabbitMQ && !left[b.route.Name()] {
			continue
		}
		q := b.settings.Queue
		lanes := q.Lanes
		if !b.route.Ordered() {
			lanes = 1
		}
		cfg.Routes = append(cfg.Routes, rabbitqueue.RouteConfig{
			Name: b.route.Name(), Trail: trailOf(s).Has(b.route.Name()), Ordered: b.route.Ordered(), Lanes: lanes, Prefetch: max(q.Prefetch, lanes), MaxDepth: q.MaxDepth,
			Native: b.settings.Native(), LongestWait: max(b.settings.Retry.Max, time.Second),
		})
	}
	return cfg
}

// warnShared tells of a prefetch that a shared plan does not allow.
func (g *Gateway) warnShared(s config.Settings, cfg rabbitqueue.Config) {
	total := 0
	for _, r := range cfg.Routes {
		total += r.Prefetch
	}
	if total >= sharedUnacked && strings.Contains(s.RabbitMQ.URL.Reveal(), ".cloudamqp.com") {
		g.log.Warn("prefetch may be more than CloudAMQP's shared plans allow", "prefetch", total, "limit", sharedUnacked,
			"hint", "lower routes.<route>.queue.prefetch, or use a dedicated plan")
	}
}

// addFeed reads the queue of a route that arrives by AMQP.
func (g *Gateway) addFeed(b binding, owner string) error {
	s := b.settings
	inbox := rabbitmq.NewInbox(g.broker.consume, b.route.Name(), s.AMQP.Queue, owner, s.AMQP.Prefetch)
	g.closers = append(g.closers, func() error { inbox.Close(); return nil })
	g.troubles = append(g.troubles, trouble{b.route.Name(), inbox.Trouble})
	feed := route.NewFeed(b.route, inbox, g.rooms, s.Remember, g.log)
	return g.supervisor.Add(run.Spec{Worker: feed, Stage: run.Intake})
}

// newExchange builds an exchange as destination.
func (g *Gateway) newExchange(b binding) event.Destination {
	p := rabbit.NewPublisher(g.broker.publish, rabbit.PublisherConfig{Channels: 1})
	g.broker.publishers = append(g.broker.publishers, p)
	to := b.settings.To.RabbitMQ
	key := to.RoutingKey
	if key == "" {
		key = b.route.Name()
	}
	return rabbitmq.NewDestination(p, to.Exchange, key)
}

// feedNative is what a route needs whose application reads the queue: nothing
// delivers, but it may itself be fed by another queue.
func (g *Gateway) feedNative(b binding, owner string) error {
	if b.settings.Arrives != config.ArrivesAMQP {
		return nil
	}
	return g.addFeed(b, owner)
}
