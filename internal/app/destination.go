package app

import (
	"crypto/tls"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// outlet is where a route's events go, and how they are handed over.
type outlet struct {
	destination event.Destination
	// timeout bounds one attempt; batch and batchBytes what is in it.
	timeout           time.Duration
	batch, batchBytes int
}

// newOutlet builds where a route's events go. It is closed with the gateway.
func (g *Gateway) newOutlet(b binding, org *wires) (outlet, error) {
	s := b.settings
	if s.To.RabbitMQ.Given() {
		return outlet{destination: g.newExchange(b), timeout: s.To.RabbitMQ.Timeout, batch: 1}, nil
	}
	if s.To.Salesforce.Given() {
		return g.newWriteBack(s.To.Salesforce, org)
	}
	destination, err := g.newDestination(s)
	return outlet{destination: destination, timeout: s.To.Timeout, batch: s.To.Batch}, err
}

// newDestination builds where a route's events go. It is closed with the gateway.
func (g *Gateway) newDestination(s config.Route) (event.Destination, error) {
	return g.newHTTP(s, func(cfg *httpout.Config) {
		if mode, _ := s.Callout.Mode(); mode == config.AnswerWaitThenAccept {
			cfg.KeepAnswer = max(cfg.KeepAnswer, int(s.Callout.MaxAnswer)) // for the caller, if it still waits
		}
	})
}

// newHTTP builds an application's endpoint, adjusted to how the route uses it.
func (g *Gateway) newHTTP(s config.Route, adjust func(*httpout.Config)) (*httpout.Destination, error) {
	cfg := httpout.Config{
		URL: s.To.URL.Reveal(), Secrets: s.To.Secrets, Headers: s.To.Headers, RetryStatuses: s.To.RetryStatuses,
		AllowPlainHTTP: s.To.AllowHTTP, Concurrency: s.Concurrency, KeepAnswer: keptAnswer(s.Reply),
		ConnectTimeout: min(httpout.Config{}.WithDefaults().ConnectTimeout, s.To.Timeout),
		TLS:            &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if s.To.AppLink {
		cfg.ClientContext = g.applink.Header
	}
	adjust(&cfg)
	destination, err := httpout.New(cfg)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, func() error { destination.Close(); return nil })
	return destination, nil
}
