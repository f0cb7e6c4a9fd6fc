package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// MaxNotifications is how many an envelope carries at most.
const MaxNotifications = 100

// Config is what a sender needs.
type Config struct {
	Catalog *schema.Catalog
	// Rows returns the live rows of the object with the Ids; those that are gone are missing.
	Rows  func(ctx context.Context, o *schema.Object, ids []salesforce.ID) (map[salesforce.ID]record.Row, error)
	Clock *clock.Clock
	OrgID salesforce.ID
	// InstanceURL is the org's address, without a trailing slash.
	InstanceURL string
	// APIVersion is 67.0 unless set.
	APIVersion string
	// Session opens a session for messages that carry one; the empty name is the org's first user.
	Session func(username string) (string, error)
	Retry   Retry
	// Timeout is how long a receiver may take by the org's clock; 60 s unless set.
	Timeout time.Duration
	Logger  *slog.Logger
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	c.Retry = c.Retry.WithDefaults()
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.APIVersion = cmp.Or(c.APIVersion, "67.0")
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Catalog == nil || c.Rows == nil || c.Session == nil {
		return errors.New("outbound messages need a catalog, rows and sessions")
	}
	return nil
}

// Sender sends the messages of one org. Safe for concurrent use.
type Sender struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	number   int
	messages []*message
}

var _ record.Listener = (*Sender)(nil)

// New returns a sender without messages. The caller closes it.
func New(cfg Config) (*Sender, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Sender{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close stops sending. What was not acknowledged is lost.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		m.http.CloseIdleConnections()
	}
}

// Declare adds a message. A name can be used once.
func (s *Sender) Declare(d Definition) error {
	object, err := d.check(s.cfg.Catalog)
	if err != nil {
		return err
	}
	client, err := callout.NewHTTPClient(&d.TLS)
	if err != nil {
		return fmt.Errorf("outbound message %s: %w", d.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the org is closed")
	}
	if slices.ContainsFunc(s.messages, func(m *message) bool { return m.Name == d.Name }) {
		return fmt.Errorf("outbound message %s is declared already", d.Name)
	}
	m := &message{
		Definition: d, sender: s, object: object, http: client, wake: make(chan struct{}, 1),
		actionID: string(makeID("04k", len(s.messages)+1)),
	}
	s.messages = append(s.messages, m)
	s.running.Go(m.run)
	return nil
}

func makeID(prefix string, n int) salesforce.ID {
	id, err := salesforce.ParseID(fmt.Sprintf("%sSp0%09d", prefix, n))
	if err != nil {
		panic(fmt.Sprintf("make an id: %v", err)) // digits only
	}
	return id
}

// Committed queues a notification for every change that a message waits for.
func (s *Sender) Committed(tx record.Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Clock.Now()
	for i := range tx.Changes {
		for _, m := range s.messages {
			if m.wants(&tx.Changes[i]) {
				s.number++
				m.add(&entry{id: string(makeID("04l", s.number)), record: tx.Changes[i].ID, created: now, due: now})
			}
		}
	}
}

func (m *message) wants(c *record.Change) bool {
	if c.Object != m.object {
		return false
	}
	switch c.Type {
	case record.Create, record.Undelete:
		return slices.Contains(m.On, created)
	case record.Update:
		return slices.Contains(m.On, updated) && (len(m.Changed) == 0 || slices.ContainsFunc(m.Changed, func(name string) bool {
			return slices.Contains(c.Changed, name)
		}))
	}
	return false
}

// entry is a notification that waits to be acknowledged.
type entry struct {
	id       string
	record   salesforce.ID
	created  time.Time
	due      time.Time
	attempts int
	problem  string // of the last attempt
}

// message is a declared message with its queue.
type message struct {
	Definition
	sender   *Sender
	object   *schema.Object
	http     *http.Client
	actionID string
	wake     chan struct{}

	mu       sync.Mutex
	waiting  []*entry
	failed   []*entry
	counters Counters
}

// Counters are what happened to a message's notifications.
type Counters struct {
	Created      int `json:"created"`
	Requests     int `json:"requests"`
	Sent         int `json:"sent"` // notifications, repeated ones counted again
	Acknowledged int `json:"acknowledged"`
	Refused      int `json:"refused"` // envelopes that were not acknowledged
	Expired      int `json:"expired"`
	Vanished     int `json:"vanished"` // the record was deleted first
}

func (m *message) add(e *entry) {
	m.mu.Lock()
	m.waiting = append(m.waiting, e)
	m.counters.Created++
	m.mu.Unlock()
	m.nudge()
}

func (m *message) nudge() {
	select {
	case m.wake <- struct{}{}:
	default: // told already
	}
}
