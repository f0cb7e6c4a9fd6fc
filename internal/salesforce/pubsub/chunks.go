package pubsub

import (
	"context"
	"iter"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Chunks cuts events into requests that the bus takes, in order: at most 200 events
// and 3 MB each. It yields where a chunk begins in events, and the chunk.
func Chunks(events []OutEvent) iter.Seq2[int, []OutEvent] {
	return func(yield func(int, []OutEvent) bool) {
		for from := 0; from < len(events); {
			to := nextRequest(events, from)
			if !yield(from, events[from:to]) {
				return
			}
			from = to
		}
	}
}

// EncoderFor returns an encoder of a platform event's present schema, which
// publishes as the user that the token speaks for. An unknown topic, or one that the
// user may not publish to, is a permanent event.Error.
func (c *Client) EncoderFor(ctx context.Context, topic salesforce.Topic) (*Encoder, error) {
	info, err := c.GetTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	if !info.CanPublish {
		return nil, cannotPublish(topic)
	}
	schema, err := c.Schema(ctx, info.SchemaID)
	if err != nil {
		return nil, err
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	return NewEncoder(schema, token.UserID, nil)
}

// SchemaID is the id of the schema that the encoder writes.
func (e *Encoder) SchemaID() string { return e.schema.ID }

func cannotPublish(topic salesforce.Topic) error {
	return &event.Error{
		Op: "publish to " + topic.String(), Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: "give the user the permission to create this platform event",
		Err:  &salesforce.APIError{GRPC: "PERMISSION_DENIED", Message: "the user may not publish to this topic"},
	}
}

// Dead reports whether the stream has ended. One that has not may have by the time
// that it is used.
func (p *Publisher) Dead() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
