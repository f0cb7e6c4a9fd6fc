package cometd

import (
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

const (
	// prefix is where the server is mounted.
	prefix = "/cometd"

	defaultTimeout     = 110 * time.Second
	defaultMaxInterval = 40 * time.Second
	defaultMaxClients  = 1000
	oldestVersion      = 37
	newestVersion      = 67
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
	Bus      *bus.Bus
	Sessions Sessions
	Clock    *clock.Clock
	// Faults is the switchboard; nil for none.
	Faults *fault.Board
	// Timeout is how long a connect is held; 110 s unless set.
	Timeout time.Duration
	// MaxInterval is how long a client is known after an answered connect; 40 s unless set.
	MaxInterval time.Duration
	// MaxClients is how many clients the org serves at once; 1,000 unless set.
	MaxClients int
	// IgnoreCookies serves clients that do not send back the handshake's cookies.
	IgnoreCookies bool
	// RefuseBearer takes only "OAuth" before a token. It is not settled whether the
	// real service takes "Bearer".
	RefuseBearer bool
	Logger       *slog.Logger
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Faults == nil {
		c.Faults = fault.NewBoard(c.Clock)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxInterval == 0 {
		c.MaxInterval = defaultMaxInterval
	}
	if c.MaxClients == 0 {
		c.MaxClients = defaultMaxClients
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns what is missing, nil if nothing.
func (c Config) Validate() error {
	if c.Bus == nil || c.Sessions == nil {
		return errors.New("cometd server: bus and sessions are needed")
	}
	return nil
}

// Server is the Streaming API of one org. Safe for concurrent use.
type Server struct {
	cfg Config

	stopping chan struct{}
	stopOnce sync.Once

	mu      sync.Mutex
	clients map[string]*client

	decoders  sync.Map // schema id -> *avro.Decoder
	holding   atomic.Int64
	delivered atomic.Int64
	unread    atomic.Int64
}

// New returns a server.
func New(cfg Config) (*Server, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, clients: make(map[string]*client), stopping: make(chan struct{})}, nil
}

// Stop answers held connects and forgets every client. It does not wait for
// answers to be written; the HTTP server's shutdown does.
func (s *Server) Stop() {
	s.stopOnce.Do(func() { close(s.stopping) })
	s.Forget()
}

// Forget makes every client unknown, as a moved or restarted server does, and
// returns how many there were.
func (s *Server) Forget() int {
	s.mu.Lock()
	all := make([]*client, 0, len(s.clients))
	for _, c := range s.clients {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		s.forget(c, unknown)
	}
	return len(all)
}

// Stats counts what the server has done.
type Stats struct {
	Clients   int   `json:"clients"`   // that have shaken hands and are not gone
	Holding   int64 `json:"holding"`   // connects that wait for events
	Delivered int64 `json:"delivered"` // events sent
	// Unreadable are events left out because their payload does not fit their schema.
	Unreadable int64 `json:"unreadable"`
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Clients: len(s.clients), Holding: s.holding.Load(), Delivered: s.delivered.Load(), Unreadable: s.unread.Load()}
}

// MaxClients returns how many clients the org serves at once.
func (s *Server) MaxClients() int { return s.cfg.MaxClients }

// ServeHTTP answers one exchange of messages, which may take as long as a connect
// is held.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost { // websocket and callback-polling clients ask with GET
		w.Header().Set("Allow", http.MethodPost)
		status := http.StatusMethodNotAllowed
		if r.Method == http.MethodGet {
			status = http.StatusBadRequest
		}
		http.Error(w, "Unknown Bayeux Transport", status)
		return
	}
	messages, err := readMessages(w, r)
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, err.Error(), status)
		return
	}
	x := s.newExchange(w, r)
	x.answer(messages)
}

// Serves reports whether a path is the server's.
func Serves(path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

var versionPath = regexp.MustCompile(`^/cometd/(\d{1,3})\.0(?:/|$)`)

// versionOf reads the API version from the path; problem is Bayeux's error.
func versionOf(path string) (version int, problem string) {
	m := versionPath.FindStringSubmatch(path)
	if m == nil {
		return 0, errNoVersion
	}
	version, err := strconv.Atoi(m[1])
	if err != nil || version < oldestVersion || version > newestVersion {
		return 0, errVersion
	}
	return version, ""
}

// decoder returns the decoder of a schema, nil if there is none.
func (s *Server) decoder(id string) *avro.Decoder {
	if d, ok := s.decoders.Load(id); ok {
		return d.(*avro.Decoder)
	}
	text, ok := s.cfg.Bus.Schema(id)
	if !ok {
		return nil
	}
	d, err := avro.NewDecoder(text)
	if err != nil {
		s.cfg.Logger.Error("leave out events of a schema", "schema", id, "error", err)
		return nil
	}
	s.decoders.Store(id, d)
	return d
}
