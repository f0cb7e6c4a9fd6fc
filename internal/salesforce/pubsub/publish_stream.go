package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/grpc"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Publisher publishes to one topic over one stream, many requests at a time. It
// is safe for concurrent use. When the stream dies, all calls under way fail
// with Happened unknown and the Publisher is of no more use: open another.
type Publisher struct {
	client   *Client
	op       string
	topic    string
	schemaID string
	token    auth.Token
	stream   grpc.BidiStreamingClient[pubsubpb.PublishRequest, pubsubpb.PublishResponse]
	ctx      context.Context // the stream's life
	cancel   context.CancelFunc
	done     chan struct{} // closed when the reading goroutine has ended

	sendMu sync.Mutex // serialises Send, as gRPC asks

	mu      sync.Mutex // guards the fields below
	waiting map[string]*call
	err     error // why the stream is dead
}

// call is one Publish under way. Its fields are guarded by Publisher.mu until
// done is closed.
type call struct {
	results []PublishResult
	index   map[string]int // correlation key to place in results
	left    int
	err     error
	done    chan struct{}
}

// PublishStream opens a stream to a topic. It lives until Close or until ctx ends.
func (c *Client) PublishStream(ctx context.Context, topic salesforce.Topic, schemaID string) (*Publisher, error) {
	op := "publish to " + topic.String()
	tok, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.api.PublishStream(outgoing(ctx, tok))
	if err != nil {
		err = c.refused(ctx, op, event.HappenedNo, err, nil, tok)
		cancel()
		return nil, err
	}
	p := &Publisher{
		client: c, op: op, topic: topic.String(), schemaID: schemaID, token: tok,
		stream: stream, ctx: ctx, cancel: cancel, done: make(chan struct{}), waiting: map[string]*call{},
	}
	go p.read()
	return p, nil
}

// read owns the receiving side: it matches results to calls by correlation key,
// because the bus need not answer request by request.
func (p *Publisher) read() {
	defer close(p.done)
	for {
		resp, err := p.stream.Recv()
		if err != nil {
			p.die(p.client.refused(p.ctx, p.op, event.HappenedUnknown, err, p.stream.Trailer(), p.token))
			return
		}
		for _, r := range resp.GetResults() {
			p.settle(publishResult(r))
		}
	}
}

func (p *Publisher) settle(r PublishResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.waiting[r.CorrelationKey]
	if !ok {
		return // of a call that gave up
	}
	delete(p.waiting, r.CorrelationKey)
	c.results[c.index[r.CorrelationKey]] = r
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

func (p *Publisher) die(err error) {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	for key, c := range p.waiting {
		delete(p.waiting, key)
		if c.err == nil {
			c.err = err
			close(c.done)
		}
	}
}

// Publish sends events in one request and waits for the result of each; events
// without an Id are given one. It takes at most 200 events and 3 MB. Events with
// an Id that is under way already are refused.
func (p *Publisher) Publish(ctx context.Context, events []OutEvent) ([]PublishResult, error) {
	if len(events) == 0 {
		return nil, nil
	}
	if nextRequest(events, 0) != len(events) {
		return nil, p.fault(fmt.Errorf("more than %d events or %d bytes in one request", maxPublishEvents, maxPublishBytes))
	}
	c, req, err := p.prepare(events)
	if err != nil {
		return nil, err
	}
	if c.left > 0 {
		if err := p.send(ctx, c, req); err != nil {
			return c.results, err
		}
	}
	return c.results, nil
}

func (p *Publisher) fault(err error) error {
	return &event.Error{Op: p.op, Happened: event.HappenedNo, Healing: event.Permanent, Err: err}
}

// prepare registers the call's events and builds its request.
func (p *Publisher) prepare(events []OutEvent) (*call, *pubsubpb.PublishRequest, error) {
	c := &call{results: make([]PublishResult, len(events)), index: map[string]int{}, done: make(chan struct{})}
	req := &pubsubpb.PublishRequest{TopicName: p.topic}
	for i := range events {
		e := events[i]
		if len(e.Payload) > maxEventBytes {
			c.results[i] = PublishResult{CorrelationKey: e.ID, Err: tooLarge(len(e.Payload))}
			continue
		}
		if e.ID == "" {
			e.ID = uuid.NewString()
		}
		if _, twice := c.index[e.ID]; twice {
			return nil, nil, p.fault(errors.New("an event id appears twice in the request"))
		}
		c.index[e.ID] = i
		req.Events = append(req.Events, producerEvent(&e, p.schemaID))
	}
	c.left = len(c.index)
	return c, req, p.register(c)
}

func (p *Publisher) register(c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	for id := range c.index {
		if _, taken := p.waiting[id]; taken {
			return p.fault(errors.New("an event id is under way already"))
		}
	}
	for id := range c.index {
		p.waiting[id] = c
	}
	return nil
}

func (p *Publisher) send(ctx context.Context, c *call, req *pubsubpb.PublishRequest) error {
	p.sendMu.Lock()
	// A failed Send means that the stream is dead, which read reports with its cause.
	_ = p.stream.Send(req)
	p.sendMu.Unlock()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return p.giveUp(ctx, c)
	}
}

// giveUp forgets a call; its events may be on the bus or not.
func (p *Publisher) giveUp(ctx context.Context, c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range c.index {
		if p.waiting[id] == c {
			delete(p.waiting, id)
		}
	}
	return &event.Error{Op: p.op, Happened: event.HappenedUnknown, Healing: event.Transient, Err: context.Cause(ctx)}
}

// Close ends the stream and waits for its goroutine. Calls under way fail. It
// may be called twice.
func (p *Publisher) Close() error {
	p.cancel()
	<-p.done
	return nil
}
