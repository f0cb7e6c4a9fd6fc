package writeback

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

const (
	// idleStream is the age at which an unused publish stream is replaced: the bus ends
	// it after 70 s, and a request that crosses the end has an unknown one.
	idleStream = 45 * time.Second
	// schemaAge is how soon the schema is asked for again when an event does not fit it.
	schemaAge = 15 * time.Second
)

// publisher publishes one platform event. Its methods are safe for concurrent use.
type publisher struct {
	bus   *pubsub.Client
	topic salesforce.Topic

	mu      sync.Mutex // guards the fields below; held while they are made
	encoder *pubsub.Encoder
	asked   time.Time // when the encoder was made
	stream  *pubsub.Publisher
	schema  string // of the stream
	used    time.Time
	closed  bool
}

func (d *Destination) publisher(name string) (*publisher, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.publishers[name]; ok {
		return p, nil
	}
	topic, err := salesforce.ParseTopic("/event/" + name)
	if err != nil {
		return nil, err
	}
	p := &publisher{bus: d.wires.Bus, topic: topic}
	d.publishers[name] = p
	return p, nil
}

// publish puts events on the bus. They carry their event's id as the publisher's own,
// so that one which is published twice has one id at its subscribers.
func (b *delivery) publish(ctx context.Context, r *request) {
	p, err := b.d.publisher(r.object)
	if err != nil {
		b.all(r.at, unreadable(err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, b.d.cfg.CallTimeout)
	defer cancel()
	encoder, err := p.encoderFor(ctx, false)
	if err != nil {
		b.all(r.at, b.d.whole(r, err, true))
		return
	}
	out, at := b.encode(ctx, p, encoder, r)
	for from, chunk := range pubsub.Chunks(out.events) {
		b.send(ctx, p, out.schema, r, chunk, at[from:from+len(chunk)])
	}
}

// encoded are events of one schema.
type encoded struct {
	schema string
	events []pubsub.OutEvent
}

// encode writes the events that fit the schema and refuses the others. A misfit may
// be the schema's age: then it is asked for again, once in a while.
func (b *delivery) encode(ctx context.Context, p *publisher, encoder *pubsub.Encoder, r *request) (out encoded, at []int) {
	out.schema = encoder.SchemaID()
	taken := map[string]bool{}
	for _, i := range r.at {
		payload, err := encoder.Encode(b.writes[i].data)
		if err != nil {
			newer, asked := p.encoderFor(ctx, true)
			if asked == nil && newer.SchemaID() != encoder.SchemaID() {
				return b.encode(ctx, p, newer, r)
			}
			b.outcomes[i] = b.d.row(b.writes[i], err)
			continue
		}
		id := publishID(&b.batch[i].Event)
		if taken[id] {
			id = "" // two events of one id in a batch: the bus gives the second its own
		}
		taken[id] = true
		out.events = append(out.events, pubsub.OutEvent{ID: id, Payload: payload})
		at = append(at, i)
	}
	return out, at
}

// publishID is the event's id if it is of the form that the bus gives its own, and
// otherwise one made from it.
func publishID(e *event.Event) string {
	if id, err := uuid.Parse(e.ID); err == nil {
		return id.String()
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("sallyport/"+e.Route+"/"+e.ID)).String()
}

// send publishes one chunk, and once more if the session had ended.
func (b *delivery) send(ctx context.Context, p *publisher, schema string, r *request, chunk []pubsub.OutEvent, at []int) {
	for again := false; ; again = true {
		results, err := p.send(ctx, schema, chunk)
		if err != nil {
			if refusal, ok := salesforce.AsAPIError(err); ok && refusal.GRPC != "" && refusal.SessionExpired() && !again {
				continue // nothing was published, and the next stream has a new token
			}
			b.all(at, b.d.whole(r, err, true))
			return
		}
		for n, i := range at {
			if b.outcomes[i] = b.d.row(b.writes[i], results[n].Err); b.outcomes[i].Verdict == event.Retry {
				p.forget()
			}
		}
		return
	}
}

// encoderFor returns the encoder of the event's schema; with newer, one that is not
// older than schemaAge.
func (p *publisher) encoderFor(ctx context.Context, newer bool) (*pubsub.Encoder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.encoder != nil && (!newer || time.Since(p.asked) < schemaAge) {
		return p.encoder, nil
	}
	encoder, err := p.bus.EncoderFor(ctx, p.topic)
	if err != nil {
		return nil, err
	}
	p.encoder, p.asked = encoder, time.Now()
	return encoder, nil
}

// forget has the schema asked for again: the bus took an event for no good one.
func (p *publisher) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.encoder = nil
}

// send publishes over the open stream, or a new one.
func (p *publisher) send(ctx context.Context, schema string, events []pubsub.OutEvent) ([]pubsub.PublishResult, error) {
	stream, err := p.open(ctx, schema)
	if err != nil {
		return nil, err
	}
	results, err := stream.Publish(ctx, events)
	if err != nil {
		p.drop(stream)
	}
	return results, err
}

func (p *publisher) open(ctx context.Context, schema string) (*pubsub.Publisher, error) {
	// Logging in is bounded by the attempt; the stream outlives it.
	if _, err := p.bus.OrgID(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, &event.Error{Op: "publish", Happened: event.HappenedNo, Healing: event.Transient, Err: context.Canceled}
	}
	if p.stream != nil && (p.schema != schema || p.stream.Dead() || time.Since(p.used) > idleStream) {
		p.dropLocked(p.stream)
	}
	p.used = time.Now()
	if p.stream != nil {
		return p.stream, nil
	}
	stream, err := p.bus.PublishStream(context.WithoutCancel(ctx), p.topic, schema)
	if err != nil {
		return nil, err
	}
	p.stream, p.schema = stream, schema
	return stream, nil
}

// drop ends a stream that failed; others' requests on it fail with it.
func (p *publisher) drop(stream *pubsub.Publisher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked(stream)
}

func (p *publisher) dropLocked(stream *pubsub.Publisher) {
	_ = stream.Close() // its error was reported by Publish
	if p.stream == stream {
		p.stream = nil
	}
}

func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.stream != nil {
		p.dropLocked(p.stream)
	}
}
