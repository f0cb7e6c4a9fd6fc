package cometd

import (
	"crypto/rand"
	"math/big"
	"net/http"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// reason is why a client is gone.
type reason int

const (
	unknown reason = iota // it was away for too long, or the server forgot it
	disconnected
)

// client is one client from its handshake to its end.
//
// States: shaken hands, or polling in between (expiry runs) <-> connect held
// (expiry is stopped) -> gone.
type client struct {
	id      string
	user    salesforce.ID
	version int
	cookies credentials
	watch   *bus.Watcher
	gone    chan struct{} // closed when the server forgets the client

	mu        sync.Mutex
	why       reason // of being gone
	connected bool   // has had its first connect answered
	held      *hold
	expiry    *clock.Timer
	subs      []*subscription
	faults    []*armedFault
}

// hold is a connect that is being answered.
type hold struct {
	replaced chan struct{} // closed when the client sends another connect
}

const (
	clientIDLength = 28
	clientIDSigns  = "0123456789abcdefghijklmnopqrstuvwxyz"
)

func newClientID() string {
	var id strings.Builder
	for range clientIDLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(clientIDSigns))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		id.WriteByte(clientIDSigns[n.Int64()])
	}
	return id.String()
}

// admit makes a client known, if the org's number of them allows it. One that
// comes with the cookies of another client of its user shares a cookie jar with it:
// it keeps them, or it would push the other one out.
func (s *Server) admit(user salesforce.ID, version int, r *http.Request) (*client, bool) {
	c := &client{
		id: newClientID(), user: user, version: version, cookies: newCredentials(),
		watch: s.cfg.Bus.Watch(), gone: make(chan struct{}),
	}
	c.expiry = s.cfg.Clock.AfterFunc(s.cfg.MaxInterval, func() { s.expire(c) })
	s.mu.Lock()
	defer s.mu.Unlock()
	stopped := false
	select {
	case <-s.stopping:
		stopped = true
	default:
	}
	if stopped || len(s.clients) >= s.cfg.MaxClients {
		c.expiry.Stop()
		return nil, false
	}
	for _, other := range s.clients {
		if other.user == user && other.cookies.check(r, "") == "" {
			c.cookies = other.cookies
			break
		}
	}
	s.clients[c.id] = c
	return c, true
}

func (s *Server) client(id string) (*client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[id]
	return c, ok
}

// expire forgets a client that has not polled in time.
func (s *Server) expire(c *client) {
	c.mu.Lock()
	polling := c.held != nil
	c.mu.Unlock()
	if !polling {
		s.forget(c, unknown)
	}
}

// forget ends a client; a connect that it has held is answered.
func (s *Server) forget(c *client, why reason) {
	s.mu.Lock()
	_, known := s.clients[c.id]
	delete(s.clients, c.id)
	s.mu.Unlock()
	if !known {
		return
	}
	c.mu.Lock()
	c.why = why
	c.expiry.Stop()
	c.mu.Unlock()
	c.watch.Close()
	close(c.gone)
}

// hold begins a connect; one that is held already is answered. ok is false for a
// client that is gone.
func (c *client) hold() (h *hold, first, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.gone:
		return nil, false, false
	default:
	}
	if c.held != nil {
		close(c.held.replaced)
	}
	c.expiry.Stop()
	first, c.connected = !c.connected, true
	c.held = &hold{replaced: make(chan struct{})}
	return c.held, first, true
}

// release ends a connect: from now on the client has some time to send the next.
func (s *Server) release(c *client, h *hold) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != h {
		return // another connect has taken over
	}
	c.held = nil
	select {
	case <-c.gone:
	default:
		c.expiry.Reset(s.cfg.MaxInterval)
	}
}

// leftBecause returns why the client is gone.
func (c *client) leftBecause() reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// isUser reports whether an id of 15 or 18 characters is that of the client's user.
func (c *client) isUser(text string) bool {
	id, err := salesforce.ParseID(text)
	return err == nil && id == c.user
}
