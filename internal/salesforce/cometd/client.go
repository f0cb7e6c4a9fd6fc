package cometd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// TokenSource gives the access token of the org; *auth.Source is one.
type TokenSource interface {
	Token(ctx context.Context) (auth.Token, error)
	Invalidate(stale auth.Token)
}

var (
	errClientClosed = errors.New("the streaming client is closed")
	errTaken        = errors.New("the topic is subscribed already")
)

// Client is one Bayeux client on behalf of one org. It connects when there is a
// subscription and says goodbye when there is none. It is safe for concurrent use.
//
// Locks: mu before a subscription's own; neither is held while anything blocks.
type Client struct {
	cfg    Config
	tokens TokenSource
	http   *http.Client
	names  names

	life context.Context // ended by Close
	end  context.CancelFunc

	// change has room for one signal: the set of wanted topics changed.
	change chan struct{}
	// space has room for one signal: a consumer took something.
	space chan struct{}

	mu       sync.Mutex // guards the fields below
	topics   map[string]*Subscription
	running  bool
	closed   bool
	workers  sync.WaitGroup // added to under mu while not closed
	failures int            // sessions in a row
	resume   time.Time      // no session before
}

// New returns a Client. The transport of client carries TLS settings and
// proxies; nil means a transport of its own with net/http's defaults.
func New(cfg Config, tokens TokenSource, client *http.Client) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if client != nil && client.Transport != nil {
		own.Transport = client.Transport
	} else {
		own.Transport = defaultTransport()
	}
	life, end := context.WithCancel(context.Background())
	return &Client{
		cfg: cfg, tokens: tokens, http: own, names: newNames(), life: life, end: end,
		change: make(chan struct{}, 1), space: make(chan struct{}, 1), topics: map[string]*Subscription{},
	}, nil
}

// defaultTransport is net/http's with its own connections, so that closing
// them disturbs nobody.
func defaultTransport() http.RoundTripper {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return http.DefaultTransport
}

// OrgID returns the Id of the org that the current token opens.
func (c *Client) OrgID(ctx context.Context) (salesforce.ID, error) {
	tok, err := c.tokens.Token(ctx)
	return tok.OrgID, err
}

// Close ends every subscription and the session, and waits until nothing runs,
// for as long as the farewell may take at most. It may be called twice.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.workers.Wait()
	c.failAll(errClientClosed)
	c.http.CloseIdleConnections()
	return nil
}

// Subscribe opens a topic. It blocks until the server has confirmed or refused
// it, and until ctx ends; a refused position is an error that wraps
// event.ErrPositionRefused. A topic can be open once at a time. The subscription
// lives until it is closed or fails.
func (c *Client) Subscribe(ctx context.Context, topic salesforce.Topic, start Start) (*Subscription, error) {
	s, err := newSubscription(c, topic.String(), start)
	if err != nil {
		return nil, err
	}
	if err := c.add(s); err != nil {
		return nil, &event.Error{Op: "subscribe to " + s.topic, Happened: event.HappenedNo, Healing: event.Transient, Err: err}
	}
	select {
	case <-s.first:
	case <-ctx.Done():
		_ = s.Close() // never fails
		return nil, fmt.Errorf("subscribe to %s: %w", s.topic, context.Cause(ctx))
	}
	if err := s.failure(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Subscription) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (c *Client) add(s *Subscription) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errClientClosed
	case c.topics[s.topic] != nil:
		return errTaken
	}
	c.topics[s.topic] = s
	if !c.running {
		c.running = true
		c.workers.Go(c.run)
	}
	c.changed()
	return nil
}

// remove forgets a subscription, if it has not been replaced.
func (c *Client) remove(s *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.topics[s.topic] == s {
		delete(c.topics, s.topic)
		c.changed()
	}
}

// changed and drained wake whoever waits for a change of topics or for space.
func (c *Client) changed() { nudge(c.change) }
func (c *Client) drained() { nudge(c.space) }

func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// current returns the subscriptions that are open.
func (c *Client) current() []*Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Subscription, 0, len(c.topics))
	for _, s := range c.topics {
		all = append(all, s)
	}
	return all
}

func (c *Client) topic(name string) *Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics[name]
}

// run holds one session after the other while there are subscriptions.
func (c *Client) run() {
	for c.needed() {
		if !c.rest() {
			continue
		}
		began := time.Now()
		s := newSession(c)
		err := s.live(c.life)
		for _, sub := range c.current() {
			sub.off()
		}
		if err != nil && !ended(c.life) {
			c.settle(err, s, time.Since(began))
		}
	}
}

// needed reports whether to go on; if not, the next Subscribe starts anew.
func (c *Client) needed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = len(c.topics) > 0 && c.life.Err() == nil
	return c.running
}

// rest waits until the next session is due; false if it was interrupted.
func (c *Client) rest() bool {
	c.mu.Lock()
	wait := time.Until(c.resume)
	c.mu.Unlock()
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.change:
	case <-c.life.Done():
	}
	return false
}

// settle decides what a failed session means: try again, or tell everyone.
func (c *Client) settle(err error, s *session, lived time.Duration) {
	refusal, _ := errors.AsType[*Refusal](err)
	if refusal != nil && refusal.class() == classLogin && s.link != nil {
		c.tokens.Invalidate(s.link.token)
	}
	told := fault("hold streaming session", err)
	c.mu.Lock()
	if s.connected() && lived >= c.cfg.HealthyAfter {
		c.failures = 0
	}
	c.failures++
	wait := c.pause(c.failures, refusal)
	hopeless := c.failures >= c.cfg.Tries || event.HealingOf(told) != event.Transient
	c.resume = time.Now().Add(wait)
	c.mu.Unlock()
	if hopeless {
		c.failAll(told)
	}
}

// pause is the wait before the next session: none after the first loss, full
// jitter over a doubling span after that.
func (c *Client) pause(failures int, refusal *Refusal) time.Duration {
	var asked time.Duration
	if refusal != nil {
		asked = min(refusal.After, c.cfg.MaxWait)
		if refusal.class() == classBusy {
			failures++ // a busy server is not asked again at once
		}
	}
	if failures <= 1 {
		return asked
	}
	span := min(c.cfg.RetryWait<<min(failures-2, 20), c.cfg.MaxWait)
	return asked + rand.N(span) + 1 // jitter needs no secrecy
}

func (c *Client) failAll(err error) {
	c.mu.Lock()
	all := c.topics
	c.topics = map[string]*Subscription{}
	c.mu.Unlock()
	for _, s := range all {
		s.fail(fmt.Errorf("read %s: %w", s.topic, err))
	}
}
