package app

import (
	"crypto/tls"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// newDestination builds where a route's events go. It is closed with the gateway.
func (g *Gateway) newDestination(s config.Route) (event.Destination, error) {
	destination, err := httpout.New(httpout.Config{
		URL: s.To.URL.Reveal(), Secrets: s.To.Secrets, Headers: s.To.Headers, RetryStatuses: s.To.RetryStatuses,
		AllowPlainHTTP: s.To.AllowHTTP, Concurrency: s.Concurrency,
		ConnectTimeout: min(httpout.Config{}.WithDefaults().ConnectTimeout, s.To.Timeout),
		TLS:            &tls.Config{MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, func() error { destination.Close(); return nil })
	return destination, nil
}
