package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// ServerConfig is how the operator API is served.
type ServerConfig struct {
	// Listen is host:port; port 0 takes a free one, see [Server.Addr].
	Listen string
	// Token, if any, must be presented by callers; required off the loopback interface.
	Token secret.String
	// MaxBody bounds a request's body; 0 means 1 MiB.
	MaxBody int64
	// Timeout bounds a request from its first byte to the end of the answer; 0
	// means a minute. An audit of a large store is the slowest request.
	Timeout time.Duration
	// Grace is how long requests may go on after Run's context was cancelled; 0
	// means 2 s.
	Grace time.Duration
	// Metrics is what /metrics shows.
	Metrics prometheus.Gatherer
	Log     *slog.Logger
}

// WithDefaults returns a copy with zero values replaced by their defaults.
func (c ServerConfig) WithDefaults() ServerConfig {
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Grace == 0 {
		c.Grace = 2 * time.Second
	}
	return c
}

// Validate reports what cannot be served.
func (c ServerConfig) Validate() error {
	switch {
	case c.Metrics == nil:
		return errors.New("control: metrics are required")
	case c.Log == nil:
		return errors.New("control: log is required")
	case c.Token.IsZero() && !localHost(c.Listen):
		return fmt.Errorf("control: listening on %s needs a token", c.Listen)
	}
	return nil
}

// Server serves the operator API over HTTP. Create it with [Listen].
type Server struct {
	config   ServerConfig
	listener net.Listener
	server   *http.Server
}

var _ run.Worker = (*Server)(nil)

// Listen binds the address at once, so that a port already taken is an error at
// start and not in the background, and returns a server to be run. Close it if
// it is never run.
func Listen(ctx context.Context, c ServerConfig, s *Service) (*Server, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for operators: %w", err)
	}
	h := &handler{api: s, ready: s.Ready, token: c.Token, maxBody: c.MaxBody, log: c.Log}
	return &Server{config: c, listener: listener, server: &http.Server{
		Handler:           withTimeout(c.Timeout, h.routes(c.Metrics)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       c.Timeout,
		WriteTimeout:      c.Timeout + 5*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}}, nil
}

// withTimeout cancels a request's work when its time is over; the handler then
// answers with what it has, which is a timeout error.
func withTimeout(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Addr is where the server listens: "127.0.0.1:8080".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Name implements run.Worker.
func (s *Server) Name() string { return "operator API" }

// Run serves until ctx is cancelled, then lets requests in hand finish for the
// grace time and returns nil. Call it once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve operators: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Grace)
	defer cancel()
	if err := s.server.Shutdown(grace); err != nil {
		_ = s.server.Close()
	}
	<-served
	return nil
}

// Close frees the address of a server that was never run.
func (s *Server) Close() error { return s.listener.Close() }
