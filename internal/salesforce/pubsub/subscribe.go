package pubsub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Start says where a subscription begins: strictly after After if that is set,
// else at the oldest retained event if Earliest, else at the tip. At the tip the
// bus takes up to some seconds to begin, unseen: what is published in them is missed.
type Start struct {
	After    salesforce.ReplayID
	Earliest bool
}

// RawEvent is one event as it came: the payload is still Avro.
type RawEvent struct {
	// ID is the event's UUID, the same on every delivery of the event.
	ID       string
	SchemaID string
	ReplayID salesforce.ReplayID
	Payload  []byte
	// Headers are those that the publisher set; nil if none.
	Headers []Header
}

// Header is one header of an event.
type Header struct {
	Key   string
	Value []byte
}

// Response is what the bus sent at once, in stream order.
type Response struct {
	Events []RawEvent
	// Latest is the newest position of the topic. It is to be adopted only from
	// a response without events.
	Latest   salesforce.ReplayID
	Received time.Time
}

// Subscription is one open Subscribe stream. A goroutine of its own reads it and
// keeps credit topped up, so that the bus goes on sending while the consumer
// works. Recv is not safe for concurrent use; LastReceived and Close are.
type Subscription struct {
	client *Client
	op     string
	topic  string
	start  Start
	// managed is the developer name of a subscription whose position the org keeps.
	managed string

	ctx    context.Context // the stream's life, ended by Close
	cancel context.CancelFunc
	done   chan struct{} // closed when the reading goroutine has ended
	last   atomic.Int64  // LastReceived in Unix nanoseconds

	// ready has room for one signal: something was queued, or the stream ended.
	ready chan struct{}

	mu     sync.Mutex // guards the fields below; never held while sending
	queue  []Response
	events int // in queue
	bytes  int // in queue
	credit int // requested and not yet received
	err    error

	sendMu sync.Mutex // serialises Send on stream, as gRPC asks; taken before mu
	feed   feed
}

// Subscribe opens a stream. It blocks for the login and until the connection
// stands or fails; a refusal of the position or topic comes from the first Recv,
// because the bus does not confirm. The subscription lives until Close or until
// ctx ends.
func (c *Client) Subscribe(ctx context.Context, topic salesforce.Topic, start Start) (*Subscription, error) {
	return c.begin(ctx, &Subscription{op: "subscribe to " + topic.String(), topic: topic.String(), start: start})
}

func (c *Client) begin(ctx context.Context, s *Subscription) (*Subscription, error) {
	ctx, cancel := context.WithCancel(ctx)
	s.client, s.ctx, s.cancel = c, ctx, cancel
	s.done, s.ready = make(chan struct{}), make(chan struct{}, 1)
	s.last.Store(time.Now().UnixNano())
	tok, err := s.open()
	if err != nil {
		cancel()
		return nil, err
	}
	go s.read(tok)
	return s, nil
}

// open starts the stream and sends the first request, which fixes topic and position.
func (s *Subscription) open() (auth.Token, error) {
	tok, err := s.client.tokens.Token(s.ctx)
	if err != nil {
		return tok, err
	}
	var below feed
	if s.managed != "" {
		below, err = s.client.managedFeed(outgoing(s.ctx, tok), s.managed)
	} else {
		below, err = s.client.topicFeed(outgoing(s.ctx, tok), s.topic, s.start)
	}
	if err != nil {
		return tok, s.client.refused(s.ctx, s.op, event.HappenedNo, err, nil, tok)
	}
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	s.mu.Lock()
	s.credit = s.client.cfg.Credit
	s.mu.Unlock()
	s.feed = below
	// A failed request shows only io.EOF; the first answer has the real cause.
	_ = below.ask(s.client.cfg.Credit)
	return tok, nil
}

func (s Start) preset() pubsubpb.ReplayPreset {
	switch {
	case !s.After.IsZero():
		return pubsubpb.ReplayPreset_CUSTOM
	case s.Earliest:
		return pubsubpb.ReplayPreset_EARLIEST
	default:
		return pubsubpb.ReplayPreset_LATEST
	}
}

// read owns the receiving side until the stream ends. A token that is refused
// before the first response is replaced once, out of the consumer's sight.
func (s *Subscription) read(tok auth.Token) {
	defer close(s.done)
	defer s.cancel() // frees the stream when it ended by itself
	received, err := s.receive(tok)
	if refusal, ok := salesforce.AsAPIError(err); ok && !received && refusal.SessionExpired() {
		if tok, err = s.open(); err == nil {
			_, err = s.receive(tok)
		}
	}
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.signal()
}

// receive reads until the stream fails, which it always does in the end.
func (s *Subscription) receive(tok auth.Token) (received bool, err error) {
	for {
		resp, err := s.feed.next()
		if err != nil {
			return received, s.taken(s.client.refused(s.ctx, s.op, event.HappenedNo, err, s.feed.trailer(), tok))
		}
		received = true
		now := time.Now()
		s.last.Store(now.UnixNano())
		if err := s.committed(resp.commit); err != nil {
			return received, err
		}
		if resp.commit != nil && len(resp.events) == 0 {
			continue // the answer to a commit is no news of the topic
		}
		s.enqueue(resp, now)
		s.topUp()
		s.signal()
	}
}

func (s *Subscription) enqueue(resp fetched, now time.Time) {
	r := Response{Latest: resp.latest, Received: now}
	size := 0
	if events := resp.events; len(events) > 0 {
		r.Events = make([]RawEvent, len(events))
		for i, e := range events {
			r.Events[i] = rawEvent(e)
			size += len(r.Events[i].Payload)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// What was asked for less what came is the credit. The server's own count
	// does not yet know of requests on their way, so it is believed only on a
	// keep-alive, where it repairs a count that has drifted; asking for too much
	// does no harm then, because the server caps it.
	if s.credit = max(0, s.credit-len(r.Events)); len(r.Events) == 0 {
		s.credit = min(max(0, resp.pending), s.client.cfg.Credit)
	}
	s.queue = append(s.queue, r)
	s.events += len(r.Events)
	s.bytes += size
}

func rawEvent(e *pubsubpb.ConsumerEvent) RawEvent {
	p := e.GetEvent()
	raw := RawEvent{ID: p.GetId(), SchemaID: p.GetSchemaId(), ReplayID: e.GetReplayId(), Payload: p.GetPayload()}
	for _, h := range p.GetHeaders() {
		raw.Headers = append(raw.Headers, Header{Key: h.GetKey(), Value: h.GetValue()})
	}
	return raw
}

// topUp requests as many events as were received since the last request, unless
// the consumer is behind by the whole read-ahead.
func (s *Subscription) topUp() {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	n := s.grant()
	if n == 0 {
		return
	}
	// An error here means that the stream is dead, which Recv reports with its cause.
	_ = s.feed.ask(n)
}

func (s *Subscription) grant() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg := &s.client.cfg
	if s.events >= cfg.ReadAhead || s.bytes >= cfg.ReadAheadBytes {
		return 0
	}
	n := cfg.Credit - s.credit
	s.credit += n
	return n
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Recv returns the next response. It blocks until there is one, the stream ends
// or ctx does. What was received before the stream ended is returned before its
// error; after an error the subscription is dead. An error wrapping
// event.ErrPositionRefused means that the bus does not know the start position.
func (s *Subscription) Recv(ctx context.Context) (Response, error) {
	for {
		r, ok, err := s.next()
		if ok {
			s.topUp()
			return r, nil
		}
		if err != nil {
			return Response{}, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Response{}, fmt.Errorf("%s: %w", s.op, context.Cause(ctx))
		}
	}
}

func (s *Subscription) next() (Response, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Response{}, false, s.err
	}
	r := s.queue[0]
	s.queue[0] = Response{}
	s.queue = s.queue[1:]
	if len(s.queue) == 0 {
		s.queue = nil // lets the array go, which only ever grows otherwise
	}
	s.events -= len(r.Events)
	for i := range r.Events {
		s.bytes -= len(r.Events[i].Payload)
	}
	return r, true, nil
}

// Pending returns the credit that is outstanding: events requested and not yet received.
func (s *Subscription) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credit
}

// LastReceived returns when the bus last sent anything, keep-alives included;
// the time of opening before that. A healthy stream is never silent for 270 s.
func (s *Subscription) LastReceived() time.Time { return time.Unix(0, s.last.Load()).UTC() }

// Close ends the stream and waits for its goroutine. It may be called twice.
func (s *Subscription) Close() error {
	s.cancel()
	<-s.done
	return nil
}
