package pubsubapi

import (
	"context"
	"maps"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Call is what an observer hears of a call: nothing of its content.
type Call struct {
	Method string // "/eventbus.v1.PubSub/Subscribe"
	Client string // the user agent
	Token  string // to find the session by; not to be kept
	At     time.Time
	// Open says that a stream has begun; Code and Took are of calls that ended.
	Open bool
	Code codes.Code
	Took time.Duration
}

// observe tells the observer of a call, and returns what tells of its end.
func (s *Server) observe(ctx context.Context, method string, stream bool) func(*error) {
	if s.cfg.Observe == nil {
		return func(*error) {}
	}
	md, _ := metadata.FromIncomingContext(ctx)
	c := Call{Method: method, Client: first(md, "user-agent"), Token: first(md, "accesstoken"), At: s.cfg.Clock.Now(), Open: stream}
	if stream {
		s.cfg.Observe(c)
	}
	began := time.Now()
	return func(err *error) {
		c.Open, c.Code, c.Took, c.At = false, status.Code(*err), time.Since(began), s.cfg.Clock.Now()
		s.cfg.Observe(c)
	}
}

// subscribers counts the streams of each topic. Safe for concurrent use.
type subscribers struct {
	mu     *sync.Mutex
	counts map[string]int
}

func newSubscribers() subscribers { return subscribers{new(sync.Mutex), make(map[string]int)} }

func (s *subscribers) add(topic string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[topic] += n; s.counts[topic] == 0 {
		delete(s.counts, topic)
	}
}

// Subscribers returns the number of open subscriptions of each topic that has any.
func (s *Server) Subscribers() map[string]int {
	s.subscribed.mu.Lock()
	defer s.subscribed.mu.Unlock()
	return maps.Clone(s.subscribed.counts)
}
