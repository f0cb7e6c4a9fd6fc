package orgsim

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// headerTimeout bounds how long a client may take to send a request's head.
const headerTimeout = 30 * time.Second

// listeners are the org's open ports; those of the Pub/Sub API may be nil.
type listeners struct{ http, pubsub, pubsubTLS net.Listener }

func (l *listeners) open(ctx context.Context, cfg *Config) error {
	for _, port := range []struct {
		addr string
		to   *net.Listener
	}{{cfg.HTTPAddr, &l.http}, {cfg.PubSubAddr, &l.pubsub}, {cfg.PubSubTLSAddr, &l.pubsubTLS}} {
		if port.addr == Off {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", port.addr)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		*port.to = listener
	}
	return nil
}

// close closes what no server has closed already.
func (l *listeners) close() error {
	var problems []error
	for _, listener := range []net.Listener{l.http, l.pubsub, l.pubsubTLS} {
		if listener == nil {
			continue
		}
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// serve starts the servers, each in a goroutine that Close waits for.
func (o *Org) serve() {
	o.run(func() error {
		if err := o.http.Serve(o.listeners.http); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve http: %w", err)
		}
		return nil
	})
	if o.listeners.pubsub != nil {
		o.run(func() error { return o.pubsub.Serve(o.listeners.pubsub) })
	}
	if o.listeners.pubsubTLS != nil {
		o.run(func() error { return o.pubsub.ServeTLS(o.listeners.pubsubTLS, o.tls.ServerConfig()) })
	}
}

func (o *Org) run(serve func() error) {
	o.serving.Go(func() {
		if err := serve(); err != nil {
			select {
			case o.failed <- err:
			default: // the first failure is the one to tell
			}
		}
	})
}

// PubSubAddr returns the host and port of the Pub/Sub API without TLS, "" if off.
func (o *Org) PubSubAddr() string { return addrOf(o.listeners.pubsub) }

// PubSubTLSAddr returns the host and port of the Pub/Sub API with TLS, "" if off.
func (o *Org) PubSubTLSAddr() string { return addrOf(o.listeners.pubsubTLS) }

// CACertPEM returns the certificate that clients of [Org.PubSubTLSAddr] must
// trust, nil if TLS is off. With a data directory it is there as pubsub-ca.pem.
func (o *Org) CACertPEM() []byte {
	if o.tls == nil {
		return nil
	}
	return o.tls.CAPEM()
}

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

func hostOnly(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	return host
}

// quietLog carries the HTTP server's complaints to the org's logger at debug
// level: a client that goes away is no news here.
func quietLog(logger *slog.Logger) *log.Logger {
	return slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
}
