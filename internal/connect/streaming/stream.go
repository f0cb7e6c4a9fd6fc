package streaming

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

// Stream is one open subscription to a topic.
type Stream struct {
	source *Source
	sub    *cometd.Subscription
	org    string
	origin string // the events' Source
	// fixed is the name of the one platform event on the topic; "" on a channel.
	fixed string
}

var _ event.Stream = (*Stream)(nil)

func newStream(s *Source, org salesforce.ID, sub *cometd.Subscription) *Stream {
	topic := s.cfg.Topic
	st := &Stream{
		source: s, sub: sub, org: string(org),
		origin: "salesforce/" + string(org) + "/" + strings.TrimPrefix(topic.String(), "/"),
	}
	if topic.Kind() == salesforce.PlatformEventTopic {
		st.fixed = topic.Name()
	}
	return st
}

// Next returns what the server sent next: events in stream order, a newer
// position, or nothing of either as the sign that a quiet topic is alive. It blocks
// until there is something, an error, or ctx ends.
func (s *Stream) Next(ctx context.Context) (event.Batch, error) {
	resp, err := s.sub.Recv(ctx)
	if err != nil {
		return event.Batch{}, err
	}
	batch := event.Batch{Position: resp.Position, Received: resp.Received}
	if len(resp.Events) > 0 {
		batch.Events = make([]event.Event, len(resp.Events))
	}
	for i := range resp.Events {
		if batch.Events[i], err = s.event(ctx, &resp.Events[i], resp.Received); err != nil {
			return event.Batch{}, err
		}
	}
	return batch, nil
}

// Close ends the subscription. It may be called twice.
func (s *Stream) Close() error {
	s.source.remember(s.sub.Tip())
	return s.sub.Close()
}

// name returns the API name of a platform event. An error of unusable schemas is
// the event's own; any other means that it must come again.
func (s *Stream) name(ctx context.Context, raw *cometd.RawEvent) (string, error) {
	if s.fixed != "" {
		return s.fixed, nil
	}
	if raw.SchemaID == "" {
		return "", errUnusable{errors.New("the event names no schema")}
	}
	name, err := s.source.client.EventName(ctx, raw.SchemaID)
	if err != nil && event.HealingOf(err) == event.Permanent {
		return "", errUnusable{err}
	}
	return name, err
}

// errUnusable marks an event that cannot be decoded however often it comes.
type errUnusable struct{ error }

func (e errUnusable) Unwrap() error { return e.error }
