package intake

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
)

// Config is how requests are let in. Zero means the default.
type Config struct {
	// Listen is host:port; port 0 takes a free one, see [Server.Addr].
	Listen string
	// TLS is the certificate to show; nil speaks without TLS, which is
	// refused off the loopback interface unless AllowPlain is set.
	TLS *tls.Config
	// AllowPlain permits speaking without TLS to other machines: behind a router that ends it.
	AllowPlain bool
	// Authenticate lets callers in or refuses them; nil lets everybody in, which is
	// refused off the loopback interface.
	Authenticate func(http.Handler) http.Handler
	// Beside are further places at this listener: the token endpoint, the
	// description of the routes, and ways in that are no callouts.
	Beside []Beside
	// MaxBody and MaxHeader bound a request; defaults 6 MiB and 32 KiB.
	MaxBody, MaxHeader int64
	// HeaderTimeout and ReadTimeout bound how long a caller takes to send the header
	// and the whole request; defaults 10 s and 30 s. IdleTimeout closes a connection
	// without a request; default 90 s.
	HeaderTimeout, ReadTimeout, IdleTimeout time.Duration
	// MaxConnections and MaxInFlight bound what is served at once; defaults 4096 and 1024.
	MaxConnections, MaxInFlight int
	// Grace is how long requests in hand may go on after Run's context was
	// cancelled; default 20 s.
	Grace time.Duration
	Log   *slog.Logger
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	def(&c.MaxBody, 6<<20)
	def(&c.MaxHeader, 32<<10)
	def(&c.HeaderTimeout, 10*time.Second)
	def(&c.ReadTimeout, 30*time.Second)
	def(&c.IdleTimeout, 90*time.Second)
	def(&c.MaxConnections, 4096)
	def(&c.MaxInFlight, 1024)
	def(&c.Grace, 20*time.Second)
	return c
}

// Validate reports what cannot be served, and what would be open to strangers.
func (c Config) Validate() error {
	var errs []error
	if c.Log == nil {
		errs = append(errs, errors.New("log is required"))
	}
	if !localHost(c.Listen) {
		if c.TLS == nil && !c.AllowPlain {
			errs = append(errs, fmt.Errorf("listening on %s needs TLS, or a router in front that ends it", c.Listen))
		}
		if c.Authenticate == nil {
			errs = append(errs, fmt.Errorf("listening on %s lets in callers from other machines, who must prove who they are", c.Listen))
		}
	}
	if c.MaxConnections < 1 || c.MaxInFlight < 1 || c.MaxBody < 1 || c.MaxHeader < 1 {
		errs = append(errs, errors.New("limits must be positive"))
	}
	return errors.Join(errs...)
}

func def[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func localHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Route is a route as callers reach it. Exactly one of Relay and Acceptor is set.
type Route struct {
	Name string
	// Events says that the route takes the application's own events at
	// /events/<name>; otherwise it is called at /callouts/<name>.
	Events bool
	// Relay is a route whose callers wait for the application.
	Relay *callout.Relay
	// Acceptor is a route whose events are kept.
	Acceptor *callout.Acceptor
	// Check holds the data of an event, or the body of a request that has one,
	// against what the route takes; nil takes everything.
	Check func(data []byte) *callout.Problem
	// Headers are request headers that a relay passes on beside the usual ones.
	Headers []string
}
