package eventbus

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// Config says which topic to read.
type Config struct {
	Topic salesforce.Topic
	// KeyField names the top-level field whose value is the ordering key. Without
	// it, and for events that lack it (an UPDATE carries only what changed), the
	// key is the record Id of a change and empty for a platform event.
	KeyField string
	// Managed is the developer name of a ManagedEventSubscription of the topic, whose
	// position the org keeps: streams then begin where it says, and are told what is
	// stored. Empty: we keep it.
	Managed string
	// SchemaWait is the wait between tries for a schema that the bus says it does
	// not have: a new one takes a moment to be known everywhere. Default 1 s.
	SchemaWait time.Duration
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	if c.SchemaWait == 0 {
		c.SchemaWait = time.Second
	}
	return c
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Topic.IsZero() {
		return errors.New("event bus source needs a topic")
	}
	return nil
}

// Source reads one topic. It may open several streams, each independent.
type Source struct {
	cfg Config
	bus *pubsub.Client
}

var _ event.Source = (*Source)(nil)

// NewSource returns the source of a topic on a bus.
func NewSource(cfg Config, bus *pubsub.Client) (*Source, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Source{cfg: cfg, bus: bus}, nil
}

// Open logs in if need be and opens the topic's stream. ctx bounds the opening
// only; the stream lives until it is closed. Because the bus does not confirm a
// subscription, a refused position or topic shows in the first Next.
func (s *Source) Open(ctx context.Context, start event.Start) (event.Stream, error) {
	org, err := s.bus.OrgID(ctx)
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	sub, err := s.subscribe(life, start)
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	if !stop() {
		cancel()
		return nil, errors.Join(context.Cause(ctx), sub.Close())
	}
	st := newStream(s, org, sub, cancel)
	if s.cfg.Managed != "" {
		return managedStream{st}, nil
	}
	return st, nil
}

func (s *Source) subscribe(ctx context.Context, start event.Start) (*pubsub.Subscription, error) {
	if s.cfg.Managed != "" {
		return s.bus.ManagedSubscribe(ctx, s.cfg.Managed)
	}
	return s.bus.Subscribe(ctx, s.cfg.Topic, pubsub.Start{After: salesforce.ReplayID(start.After), Earliest: start.Earliest})
}
