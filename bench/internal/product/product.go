// Package product puts the gateway's own parts together for a benchmark: event
// bus, subscription, store, route, delivery.
//
// It is an assembly and nothing else, with the settings the gateway has by
// default; whatever is slow here is slow in the product.
package product

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// RouteName is the name of the one route.
const RouteName = "accounts"

// Config says what to put together.
type Config struct {
	// Bus is the event server's address; CA the file of its certificate, empty
	// for plaintext.
	Bus, CA string
	// Store is the store's URL.
	Store string
	// Sink is where events go; empty leaves them in the store.
	Sink string
	// Secret signs deliveries.
	Secret string
	// OrderBy is the route's order: "record" or "none".
	OrderBy string
	// Concurrency is how many deliveries run at once.
	Concurrency int
	// Batch is how many events a request may carry; 1 delivers them one by one.
	Batch int
	Log   *slog.Logger
}

// Product is the assembled gateway.
type Product struct {
	cfg   Config
	store *counted
	bus   *pubsub.Client
	sub   *subscription.Subscriber
	out   *httpout.Destination
	send  *delivery.Dispatcher
	// inFlight is the sum of samples of the deliveries under way.
	inFlight, samples int
}

// New opens the store and puts everything together. It calls stored with the
// number of events that are durable, after each transaction.
func New(ctx context.Context, cfg Config, stored func(total int64)) (*Product, error) {
	opened, err := store.Open(ctx, store.Config{URL: cfg.Store, Owner: "bench", Logger: cfg.Log})
	if err != nil {
		return nil, err
	}
	p := &Product{cfg: cfg, store: &counted{Store: opened, stored: stored}}
	way, err := route.New(route.Config{Name: RouteName, Topics: []string{backlog.Topic}, OrderBy: cfg.OrderBy})
	if err != nil {
		return nil, err
	}
	if err := p.subscribe(way); err != nil {
		return nil, err
	}
	if cfg.Sink == "" {
		return p, nil
	}
	return p, p.deliver(way)
}

func (p *Product) subscribe(way *route.Route) (err error) {
	cfg := pubsub.Config{Address: p.cfg.Bus, Plaintext: p.cfg.CA == ""}
	if p.cfg.CA != "" {
		if cfg.TLS, err = trust(p.cfg.CA); err != nil {
			return err
		}
	}
	if p.bus, err = pubsub.New(cfg, token{}); err != nil {
		return err
	}
	topic, err := salesforce.ParseTopic(backlog.Topic)
	if err != nil {
		return err
	}
	source, err := eventbus.NewSource(eventbus.Config{Topic: topic}, p.bus)
	if err != nil {
		return err
	}
	p.sub, err = subscription.New(
		subscription.Config{Topic: backlog.Topic, Holder: "bench", Earliest: true},
		subscription.Deps{
			Source: source, Journal: p.store, Leases: p.store,
			Routes: []subscription.Route{way}, Log: p.cfg.Log,
		})
	return err
}

func (p *Product) deliver(way *route.Route) (err error) {
	p.out, err = httpout.New(httpout.Config{
		URL: p.cfg.Sink, Secrets: []secret.String{secret.New(p.cfg.Secret)}, Concurrency: p.cfg.Concurrency,
	})
	if err != nil {
		return err
	}
	p.send, err = delivery.New(
		delivery.Config{Route: RouteName, Ordered: way.Ordered(), Concurrency: p.cfg.Concurrency, Batch: p.cfg.Batch, Owner: "bench"},
		delivery.Deps{Queue: p.store, Destination: way.To(p.out), Log: p.cfg.Log})
	return err
}

// watch looks now and then how many deliveries are under way.
func (p *Product) watch(ctx context.Context) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if n := p.send.Status().InFlight; n > 0 { // not before the first, nor after the last
				p.samples++
				p.inFlight += n
			}
		case <-ctx.Done():
			return
		}
	}
}

// Notes says how many events shared a call to the store, and how many
// deliveries were under way at once, on average.
func (p *Product) Notes() string {
	text := p.store.String()
	if p.send != nil {
		text += fmt.Sprintf("; in flight %.0f", float64(p.inFlight)/float64(max(1, p.samples)))
	}
	return text
}

// Run works until ctx is done, stops in order and closes the store.
func (p *Product) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return p.sub.Run(ctx) })
	if p.send != nil {
		g.Go(func() error { return p.send.Run(ctx) })
		g.Go(func() error { p.watch(ctx); return nil })
	}
	err := g.Wait()
	if p.out != nil {
		p.out.Close()
	}
	return errors.Join(err, p.bus.Close(), p.store.Close())
}

// token is the access token of the benchmark's org; the event server takes any.
type token struct{}

func (token) Token(context.Context) (auth.Token, error) {
	return auth.Token{
		AccessToken: secret.New(backlog.OrgID + "!bench"), InstanceURL: "http://127.0.0.1", OrgID: backlog.OrgID,
	}, nil
}

func (token) Invalidate(auth.Token) {}

func trust(path string) (*tls.Config, error) {
	text, err := os.ReadFile(path) //nolint:gosec // given by the conductor
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in " + path)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}
