package pubsub

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

const (
	// maxPublishEvents and maxPublishBytes bound one request, as the Pub/Sub API
	// guide advises; more than 4 MB kills the call.
	maxPublishEvents = 200
	maxPublishBytes  = 3 << 20
	// maxEventBytes is the largest event that the bus takes.
	maxEventBytes = 1 << 20
	// eventOverhead is a generous guess at what an event adds to its payload.
	eventOverhead = 128
)

// OutEvent is an event to publish.
type OutEvent struct {
	// ID is the caller's own id, returned as PublishResult.CorrelationKey. Empty
	// lets the bus make one.
	ID      string
	Payload []byte // Avro of the topic's schema, as an Encoder makes it
	Headers []Header
}

// PublishResult is what became of one event.
type PublishResult struct {
	// ReplayID is the event's place on the bus; set only on success.
	ReplayID       salesforce.ReplayID
	CorrelationKey string
	// Err says why the event is not known to be on the bus; its Happened tells
	// whether it may be there all the same.
	Err error
}

// Publish puts events on a topic, in order, in as many requests as the limits
// ask for. There is one result per event, in the same order. The error is the
// first that concerned a whole request; the results of the events in and after
// that request carry errors too.
func (c *Client) Publish(ctx context.Context, topic salesforce.Topic, schemaID string, events []OutEvent) ([]PublishResult, error) {
	results := make([]PublishResult, len(events))
	for from := 0; from < len(events); {
		to := nextRequest(events, from)
		err := c.publishOnce(ctx, topic, schemaID, events[from:to], results[from:to])
		if err != nil {
			failRest(results[from:], to-from, err)
			return results, err
		}
		from = to
	}
	return results, nil
}

// failRest gives err to the events of the failed request, and to those after it
// an error that says they were not sent.
func failRest(results []PublishResult, sent int, err error) {
	for i := range results {
		results[i].Err = err
		if i >= sent {
			results[i].Err = &event.Error{
				Op: "publish event", Happened: event.HappenedNo, Healing: event.HealingOf(err),
				Err: fmt.Errorf("not sent, because an earlier request failed"),
			}
		}
	}
}

// nextRequest returns the end of the request that starts at from: at least one
// event, at most what the limits allow.
func nextRequest(events []OutEvent, from int) int {
	size := 0
	for i := from; i < len(events); i++ {
		size += eventSize(&events[i])
		if i > from && (size > maxPublishBytes || i-from >= maxPublishEvents) {
			return i
		}
	}
	return len(events)
}

func eventSize(e *OutEvent) int {
	size := len(e.Payload) + len(e.ID) + eventOverhead
	for _, h := range e.Headers {
		size += len(h.Key) + len(h.Value)
	}
	return size
}

func (c *Client) publishOnce(ctx context.Context, topic salesforce.Topic, schemaID string, events []OutEvent, results []PublishResult) error {
	req := &pubsubpb.PublishRequest{TopicName: topic.String()}
	var sent []int // index in events of each event of the request
	for i := range events {
		if results[i].CorrelationKey = events[i].ID; len(events[i].Payload) > maxEventBytes {
			results[i].Err = tooLarge(len(events[i].Payload))
			continue
		}
		req.Events = append(req.Events, producerEvent(&events[i], schemaID))
		sent = append(sent, i)
	}
	if len(sent) == 0 {
		return nil
	}
	var resp *pubsubpb.PublishResponse
	err := c.unary(ctx, "publish to "+topic.String(), func(ctx context.Context, opts ...grpc.CallOption) (err error) {
		resp, err = c.api.Publish(ctx, req, opts...)
		return err
	})
	if err != nil {
		return err
	}
	if got := len(resp.GetResults()); got != len(sent) {
		return &event.Error{
			Op: "publish to " + topic.String(), Happened: event.HappenedUnknown,
			Err: fmt.Errorf("sent %d events, have %d results", len(sent), got),
		}
	}
	for i, r := range resp.GetResults() {
		results[sent[i]] = publishResult(r)
	}
	return nil
}

func producerEvent(e *OutEvent, schemaID string) *pubsubpb.ProducerEvent {
	p := &pubsubpb.ProducerEvent{Id: e.ID, SchemaId: schemaID, Payload: e.Payload}
	for _, h := range e.Headers {
		p.Headers = append(p.Headers, &pubsubpb.EventHeader{Key: h.Key, Value: h.Value})
	}
	return p
}

func publishResult(r *pubsubpb.PublishResult) PublishResult {
	result := PublishResult{ReplayID: r.GetReplayId(), CorrelationKey: r.GetCorrelationKey()}
	if e := r.GetError(); e != nil {
		result.ReplayID = nil
		result.Err = auth.Fault("publish event", event.HappenedNo, &salesforce.APIError{
			Code: e.GetCode().String(), Message: e.GetMsg(),
		})
	}
	return result
}

func tooLarge(size int) error {
	return &event.Error{
		Op: "publish event", Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: "send a reference to the content instead of the content",
		Err:  fmt.Errorf("the event has %d bytes, the bus takes %d", size, maxEventBytes),
	}
}
