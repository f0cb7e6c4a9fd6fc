package pubsubapi

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Limits of the service.
const (
	// maxCredit caps the events that a subscriber may have asked for and not got.
	maxCredit = 100
	// maxResponse bounds the payloads of one FetchResponse.
	maxResponse = 3 << 20
	// maxStreams caps the calls under way on one connection.
	maxStreams = 1000
	// maxRequest is the size of a request that the service does not survive reading.
	maxRequest = 4 << 20

	defaultKeepalive     = 60 * time.Second // observed cadence; documented: at most 270 s
	defaultCreditTimeout = 60 * time.Second
	defaultPublishIdle   = 70 * time.Second

	// window and writeBuffer are sized for a backlog of 1 KB events: a response of
	// 100 of them must not wait for the window.
	window      = 1 << 20
	writeBuffer = 256 << 10
)

// Sessions is what the server needs to know of sessions.
type Sessions interface {
	session.Authenticator
	// Revoked returns a channel closed when the token is revoked.
	Revoked(token string) <-chan struct{}
	// Revoke ends a session; the revoke-token fault calls it.
	Revoke(token string) bool
}

// Config is what a server needs.
type Config struct {
	OrgID salesforce.ID
	// InstanceHosts are the hosts (with port, if not the scheme's) that a caller's
	// instanceurl may name; none means any.
	InstanceHosts []string
	Bus           *bus.Bus
	Sessions      Sessions
	Clock         *clock.Clock
	// Faults is the switchboard; nil for none.
	Faults *fault.Board
	// Keepalive is the time without events after which an empty response says that
	// the stream lives; 60 s unless set.
	Keepalive time.Duration
	// CreditTimeout is how long a stream without credit is kept; 60 s unless set
	// (a sample of the vendor's says 70).
	CreditTimeout time.Duration
	// PublishIdle is how long a PublishStream without requests is kept; 70 s unless set.
	PublishIdle time.Duration
	// CheckPayloads refuses events whose payload does not fit the topic's schema.
	// The real service takes them, and they poison subscribers.
	CheckPayloads bool
	// Observe, if set, is told of every call when it ends, and of a stream also when
	// it begins. It must not block.
	Observe func(Call)
	Logger  *slog.Logger
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Faults == nil {
		c.Faults = fault.NewBoard(c.Clock)
	}
	if c.Keepalive == 0 {
		c.Keepalive = defaultKeepalive
	}
	if c.CreditTimeout == 0 {
		c.CreditTimeout = defaultCreditTimeout
	}
	if c.PublishIdle == 0 {
		c.PublishIdle = defaultPublishIdle
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns what is missing, nil if nothing.
func (c Config) Validate() error {
	if c.Bus == nil || c.Sessions == nil || c.OrgID == "" {
		return errors.New("pub/sub server: bus, sessions and org id are needed")
	}
	return nil
}

// Server is the Pub/Sub API of one org. Safe for concurrent use.
type Server struct {
	pubsubpb.UnimplementedPubSubServer

	cfg   Config
	grpc  *grpc.Server
	conns *connTable

	streams   atomic.Int64
	delivered atomic.Int64
	published atomic.Int64

	managedMu sync.Mutex
	managed   map[salesforce.ID]bool // subscriptions that have their one client

	subscribed subscribers
}

// New returns a server that listens nowhere yet.
func New(cfg Config) (*Server, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, conns: newConnTable(), managed: make(map[salesforce.ID]bool), subscribed: newSubscribers()}
	s.grpc = grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.WriteBufferSize(writeBuffer),
		grpc.MaxConcurrentStreams(maxStreams),
		// Lenient: nothing is known of a limit on pings, and clients send them.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.interceptUnary), grpc.StreamInterceptor(s.interceptStream),
		grpc.WaitForHandlers(true),
	)
	pubsubpb.RegisterPubSubServer(s.grpc, s)
	return s, nil
}

// Serve answers plain HTTP/2 on the listener until [Server.Stop]; it may be
// called for several listeners at once.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.grpc.Serve(s.conns.track(listener)); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve pub/sub: %w", err)
	}
	return nil
}

// ServeTLS is Serve with TLS. The certificate's configuration must offer "h2".
func (s *Server) ServeTLS(listener net.Listener, config *tls.Config) error {
	if err := s.grpc.Serve(tls.NewListener(s.conns.track(listener), config)); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve pub/sub over tls: %w", err)
	}
	return nil
}

// Stop closes listeners and connections and returns when no call is running.
func (s *Server) Stop() { s.grpc.Stop() }

// ResetConnections cuts every connection, as a failing load balancer does, and
// returns how many there were.
func (s *Server) ResetConnections() int { return s.conns.cutAll() }

// Stats counts what the server has done.
type Stats struct {
	Streams   int64 `json:"streams"`   // subscriptions that have begun and not ended
	Delivered int64 `json:"delivered"` // events sent to subscribers
	Published int64 `json:"published"` // events taken from publishers
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{Streams: s.streams.Load(), Delivered: s.delivered.Load(), Published: s.published.Load()}
}
