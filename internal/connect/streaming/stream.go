package streaming

import (
	"bytes"
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

	// resp is the response being decoded, from event at on.
	resp cometd.Response
	at   int
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
	if s.at == len(s.resp.Events) {
		resp, err := s.sub.Recv(ctx)
		if err != nil {
			return event.Batch{}, err
		}
		s.resp, s.at = resp, 0
		if len(resp.Events) == 0 {
			return event.Batch{Position: resp.Position, Received: resp.Received}, nil
		}
	}
	return s.decode(ctx)
}

// maxData is the JSON of a batch above which it is handed over although more of the
// same response waits: one event of many records becomes as many events.
const maxData = 8 << 20

// decode makes a batch of the response, or of as much of it as a batch may hold. A
// response whose place is not certain has none after its events either.
func (s *Stream) decode(ctx context.Context) (event.Batch, error) {
	batch := event.Batch{Received: s.resp.Received}
	raw := s.resp.Events
	for size := 0; s.at < len(raw) && size < maxData; s.at++ {
		made, err := s.events(ctx, &raw[s.at], s.resp.Received)
		if err != nil {
			return event.Batch{}, err
		}
		for i := range made {
			size += len(made[i].Data)
		}
		batch.Events = append(batch.Events, made...)
		batch.Positions = append(batch.Positions, make([]event.Position, len(made))...)
		if s.resp.Position != nil && s.placed(s.at) {
			batch.Position = cometd.Position(raw[s.at].ReplayID)
			batch.Positions[len(batch.Positions)-1] = batch.Position
		}
	}
	if s.at == len(raw) {
		batch.Position = s.resp.Position
	}
	return batch, nil
}

// placed tells whether everything up to an event's place has come with it: the
// changes of one transaction may share a place.
func (s *Stream) placed(at int) bool {
	e := &s.resp.Events[at]
	if !e.Placed || bytes.Compare(cometd.Position(e.ReplayID), s.resp.Position) > 0 {
		return false
	}
	return at+1 == len(s.resp.Events) || s.resp.Events[at+1].Placed && s.resp.Events[at+1].ReplayID > e.ReplayID
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
