package httpout

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// connectError marks a failure to connect or to agree on TLS: no byte of the
// request has been sent.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

// newTransport speaks HTTP/1.1 over a pool as large as the route's
// concurrency: one connection in use per attempt, so one slow answer holds up nobody.
func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 30 * time.Second}
	secure := cfg.TLS.Clone()
	if secure == nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if secure.ClientSessionCache == nil {
		secure.ClientSessionCache = tls.NewLRUClientSessionCache(cfg.Concurrency)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, connectError{err}
		}
		return conn, nil
	}
	return &http.Transport{
		DialContext: dial,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return handshake(ctx, conn, secure, address, cfg.ConnectTimeout)
		},
		MaxIdleConns:           cfg.Concurrency,
		MaxIdleConnsPerHost:    cfg.Concurrency,
		IdleConnTimeout:        cfg.IdleTimeout,
		DisableCompression:     true, // answers are thrown away
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        8 << 10, // headers and a usual payload in one write
	}
}

func handshake(ctx context.Context, conn net.Conn, cfg *tls.Config, address string, limit time.Duration) (net.Conn, error) {
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName, _, _ = net.SplitHostPort(address)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, connectError{err}
	}
	return secured, nil
}
