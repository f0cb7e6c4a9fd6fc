package intake

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/run"
)

// Server lets requests in. Create it with [Listen].
type Server struct {
	cfg      Config
	listener net.Listener
	server   *http.Server
	door     *door
}

var _ run.Worker = (*Server)(nil)

// Listen binds the address at once, so that a port already taken is an error at
// start, and returns a server to be run. Close it if it is never run.
func Listen(ctx context.Context, cfg Config, routes []Route) (*Server, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check listener of callouts: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for callouts: %w", err)
	}
	d := newDoor(cfg, routes)
	return &Server{cfg: cfg, door: d, listener: limitConnections(listener, cfg.MaxConnections), server: &http.Server{
		Handler:           d,
		TLSConfig:         cfg.TLS,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		ReadTimeout:       cfg.ReadTimeout,
		// From the end of the header to the end of the answer.
		WriteTimeout:   callout.Longest + cfg.ReadTimeout + 10*time.Second,
		IdleTimeout:    cfg.IdleTimeout,
		MaxHeaderBytes: int(cfg.MaxHeader),
		ErrorLog:       slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}}, nil
}

// Addr is where the server listens: "127.0.0.1:8090".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Name implements run.Worker.
func (s *Server) Name() string { return "callouts" }

// Run serves until ctx is cancelled. Then new requests are refused (503,
// Connection: close), those in hand are answered, callers who wait for an event that is
// durable are told so, and after the grace time the connections are closed. Call it once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	select {
	case err := <-served:
		return fmt.Errorf("serve callouts: %w", err)
	case <-ctx.Done():
	}
	end := time.NewTimer(s.cfg.Grace)
	defer end.Stop()
	select {
	case <-s.door.drain():
	case <-end.C:
		s.cfg.Log.Warn("callouts cut off: not answered within the grace time", "count", s.door.inHand())
	}
	// Answers that are written must leave before their connections go.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s.server.Shutdown(last) != nil {
		_ = s.server.Close()
	}
	<-served
	return nil
}

func (s *Server) serve() error {
	if s.cfg.TLS != nil {
		return s.server.ServeTLS(s.listener, "", "")
	}
	return s.server.Serve(s.listener)
}

// Close frees the address of a server that was never run.
func (s *Server) Close() error { return s.listener.Close() }
