package eventbus

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

const (
	// schemaTries bounds the patience with a schema that the bus says it does not
	// have; Config.SchemaWait lies between two tries.
	schemaTries = 3
	// unusableHold is how long a schema that cannot be had is not asked for
	// again; its events are undecodable meanwhile.
	unusableHold = time.Minute
	// maxPlans bounds the plans kept by one stream.
	maxPlans = 64
)

// Stream is one open subscription to a topic.
type Stream struct {
	source *Source
	bus    *pubsub.Client
	sub    *pubsub.Subscription
	cancel context.CancelFunc
	batch  batch
	plans  map[string]planEntry

	// resp is the response being decoded: from event at on, and of that from record on.
	resp       pubsub.Response
	at, record int
}

var _ event.Stream = (*Stream)(nil)

// planEntry is a compiled plan, or why there is none and until when.
type planEntry struct {
	plan  *pubsub.Plan
	err   error
	until time.Time
}

func newStream(s *Source, org salesforce.ID, sub *pubsub.Subscription, cancel context.CancelFunc) *Stream {
	return &Stream{
		source: s, bus: s.bus, sub: sub, cancel: cancel,
		batch: newBatch(string(org), s.cfg.Topic), plans: map[string]planEntry{},
	}
}

// Next returns what the bus sent next: events in stream order, or the newer
// position of a quiet topic. It blocks until there is something, an error, or
// ctx ends. The events of a batch share memory: keeping one keeps the batch.
func (s *Stream) Next(ctx context.Context) (event.Batch, error) {
	for {
		if s.at < len(s.resp.Events) {
			return s.decode(ctx)
		}
		resp, err := s.sub.Recv(ctx)
		if err != nil {
			return event.Batch{}, err
		}
		s.resp, s.at, s.record = resp, 0, 0
		if len(resp.Events) == 0 && !resp.Latest.IsZero() {
			return event.Batch{Position: event.Position(resp.Latest), Received: resp.Received}, nil
		}
	}
}

// decode makes a batch of the response, or of as much of it as a batch may hold.
func (s *Stream) decode(ctx context.Context) (event.Batch, error) {
	events := s.resp.Events
	s.batch.begin(events[s.at:], s.resp.Received)
	for s.at < len(events) && !s.batch.full() {
		raw := &events[s.at]
		plan, err := s.plan(ctx, raw.SchemaID)
		switch {
		case err == nil:
			s.record = s.batch.add(raw, plan, s.record)
		case isUnusable(err):
			s.batch.addUndecodable(raw, err)
			s.record = 0
		default:
			return event.Batch{}, err
		}
		if s.record > 0 {
			break
		}
		s.at++
		// Enrichment makes several events of one place.
		if s.at == len(events) || !bytes.Equal(events[s.at].ReplayID, raw.ReplayID) {
			s.batch.placed(event.Position(raw.ReplayID))
		}
	}
	positions := s.batch.positions
	b := event.Batch{Positions: positions, Received: s.resp.Received}
	for i := len(positions) - 1; i >= 0 && b.Position == nil; i-- {
		b.Position = positions[i]
	}
	b.Events = s.batch.finish()
	return b, nil
}

// errUnusable marks a schema without which its events cannot be decoded however
// often they are asked for.
type errUnusable struct{ error }

func (e errUnusable) Unwrap() error { return e.error }

func isUnusable(err error) bool {
	_, ok := errors.AsType[errUnusable](err)
	return ok
}

// plan returns the compiled plan of a schema. An error that is no errUnusable
// means that the schema could not be had for now: the stream must end, so that
// the events come again.
func (s *Stream) plan(ctx context.Context, schemaID string) (*pubsub.Plan, error) {
	if e, ok := s.plans[schemaID]; ok && (e.plan != nil || time.Now().Before(e.until)) {
		return e.plan, e.err
	}
	entry := planEntry{}
	schema, err := s.schema(ctx, schemaID)
	if err == nil {
		entry.plan, err = pubsub.NewPlan(schema, pubsub.PlanConfig{KeyField: s.source.cfg.KeyField})
	}
	if err != nil && !schemaIsAtFault(err) {
		return nil, err
	}
	if err != nil {
		entry.err, entry.until = errUnusable{err}, time.Now().Add(unusableHold)
	}
	if len(s.plans) >= maxPlans {
		clear(s.plans)
	}
	s.plans[schemaID] = entry
	return entry.plan, entry.err
}

// schema asks for a schema, some times if the bus does not know it.
func (s *Stream) schema(ctx context.Context, id string) (*pubsub.Schema, error) {
	for try := 1; ; try++ {
		schema, err := s.bus.Schema(ctx, id)
		if err == nil || !isNotFound(err) || try == schemaTries {
			return schema, err
		}
		timer := time.NewTimer(s.source.cfg.SchemaWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

func isNotFound(err error) bool {
	refusal, ok := salesforce.AsAPIError(err)
	return ok && refusal.GRPC != "" && refusal.NotFound()
}

// schemaIsAtFault tells a schema that cannot be read or does not exist from a
// bus or login that does not work for now.
func schemaIsAtFault(err error) bool {
	if errors.Is(err, pubsub.ErrSchemaUnusable) {
		return true
	}
	refusal, ok := salesforce.AsAPIError(err)
	return ok && (refusal.GRPC == "NOT_FOUND" || refusal.GRPC == "INVALID_ARGUMENT")
}

// LastReceived returns when the bus last sent anything, keep-alives included.
func (s *Stream) LastReceived() time.Time { return s.sub.LastReceived() }

// Close ends the subscription and waits until it is gone. It may be called twice.
func (s *Stream) Close() error {
	s.cancel()
	return s.sub.Close()
}

// managedStream is a stream whose position the org keeps.
type managedStream struct{ *Stream }

var _ event.Committer = managedStream{}

// Commit implements [event.Committer].
func (s managedStream) Commit(at event.Position) error { return s.sub.Commit(salesforce.ReplayID(at)) }
