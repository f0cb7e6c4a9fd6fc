// Package bus is a Pub/Sub API server with nothing behind it: it sends a
// backlog that is already encoded as fast as it gets credit for it.
//
// It is what the product, the limit programs and the other clients read from in
// a benchmark, so it must cost as little as it can: no Avro, no protobuf
// encoding of events, one copy per event. It keeps what flow control promises
// (credit is added up and capped at 100) and no other rule of the real bus.
package bus

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// MaxCredit is the cap on what a stream may have requested and not yet got.
const MaxCredit = 100

// Server serves one backlog to any number of streams. Safe for concurrent use.
type Server struct {
	pubsubpb.UnimplementedPubSubServer

	stream *backlog.Stream
	// perResponse is the most events in one response.
	perResponse int

	mu    sync.Mutex // guards below
	limit uint64     // number of the last event that may be sent now
	wake  chan struct{}
}

// New returns a server whose first limit events may be sent at once.
func New(stream *backlog.Stream, limit uint64, perResponse int) *Server {
	return &Server{stream: stream, limit: limit, perResponse: perResponse, wake: make(chan struct{})}
}

// Release lets events up to number limit go and returns when it did.
func (s *Server) Release(limit uint64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	close(s.wake)
	s.wake = make(chan struct{})
	return time.Now()
}

// released returns how far may be sent, and a channel closed when that changes.
func (s *Server) released() (uint64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit, s.wake
}

// GetTopic answers for the one topic.
func (s *Server) GetTopic(_ context.Context, req *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
	if req.GetTopicName() != backlog.Topic {
		return nil, status.Error(codes.NotFound, "no such topic")
	}
	return &pubsubpb.TopicInfo{
		TopicName: backlog.Topic, TenantGuid: backlog.OrgID, CanSubscribe: true, SchemaId: backlog.SchemaID,
	}, nil
}

// GetSchema answers for the one schema.
func (s *Server) GetSchema(_ context.Context, req *pubsubpb.SchemaRequest) (*pubsubpb.SchemaInfo, error) {
	if req.GetSchemaId() != backlog.SchemaID {
		return nil, status.Error(codes.InvalidArgument, "no such schema")
	}
	return &pubsubpb.SchemaInfo{SchemaId: backlog.SchemaID, SchemaJson: backlog.SchemaJSON()}, nil
}

// Subscribe sends the backlog against credit.
func (s *Server) Subscribe(stream pubsubpb.PubSub_SubscribeServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetTopicName() != backlog.Topic {
		return status.Error(codes.NotFound, "no such topic")
	}
	c := newCredit()
	c.add(first.GetNumRequested())
	requests := make(chan error, 1)
	go func() { requests <- receiveCredit(stream, c) }()
	return s.send(stream, c, backlog.NumberOfReplay(first.GetReplayId())+1, requests)
}

func receiveCredit(stream pubsubpb.PubSub_SubscribeServer, c *credit) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		c.add(req.GetNumRequested())
	}
}

func (s *Server) send(stream pubsubpb.PubSub_SubscribeServer, c *credit, next uint64, requests <-chan error) error {
	for {
		limit, changed := s.released()
		if next <= limit {
			n := c.take(int(min(uint64(s.perResponse), limit-next+1))) // small
			if n > 0 {
				if err := stream.SendMsg(s.response(next, n, c.left())); err != nil {
					return err
				}
				next += uint64(n) // positive
				continue
			}
			changed = c.changed
		}
		select {
		case <-changed:
		case err := <-requests:
			if errors.Is(err, io.EOF) { // the client will request no more
				return nil
			}
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// response returns n events from number next, as bytes for the codec.
func (s *Server) response(next uint64, n, pending int) raw {
	pool := mem.DefaultBufferPool()
	buf := pool.Get(n*backlog.EntrySize + 64)
	b := (*buf)[:0]
	for i := range uint64(n) { // positive
		b = s.stream.AppendEvent(b, next+i)
	}
	b = appendRest(b, next+uint64(n)-1, pending) // positive
	*buf = b
	return raw{mem.NewBuffer(buf, pool)}
}

// appendRest appends latest_replay_id and pending_num_requested.
func appendRest(b []byte, last uint64, pending int) []byte {
	replay := backlog.ReplayID(last)
	b = append(b, 2<<3|2, byte(len(replay)))
	b = append(b, replay...)
	return append(b, 4<<3, byte(pending)) // at most MaxCredit: one byte
}

// credit is what one stream may still be sent.
type credit struct {
	mu      sync.Mutex
	n       int
	changed chan struct{} // capacity 1
}

func newCredit() *credit { return &credit{changed: make(chan struct{}, 1)} }

func (c *credit) add(n int32) {
	c.mu.Lock()
	c.n = min(c.n+max(0, int(n)), MaxCredit)
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// take takes up to n and returns how much it got.
func (c *credit) take(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.n)
	c.n -= n
	return n
}

func (c *credit) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
