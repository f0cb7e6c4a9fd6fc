package streaming

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

// Config says which topic to read.
type Config struct {
	Topic salesforce.Topic
	// KeyField names the top-level field whose value is the ordering key. Without
	// it, and for events that lack it (an UPDATE carries only what changed), the
	// key is the record Id of a change and empty for a platform event.
	KeyField string
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Topic.IsZero() {
		return errors.New("streaming source needs a topic")
	}
	return nil
}

// Source reads one topic over an org's shared streaming session. It may have one
// stream open at a time.
type Source struct {
	cfg    Config
	client *cometd.Client

	mu  sync.Mutex // guards tip
	tip time.Time  // when a stream at the tip began that no event gave a position
}

var _ event.Source = (*Source)(nil)

// NewSource returns the source of a topic on an org's streaming client.
func NewSource(cfg Config, client *cometd.Client) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Source{cfg: cfg, client: client}, nil
}

// Open logs in if need be and subscribes; ctx bounds the opening only. The server
// confirms a subscription, so a refused position or topic shows here.
func (s *Source) Open(ctx context.Context, start event.Start) (event.Stream, error) {
	org, err := s.client.OrgID(ctx)
	if err != nil {
		return nil, err
	}
	from := cometd.Start{After: start.After, Earliest: start.Earliest}
	if start.After == nil && !start.Earliest {
		from.Since = s.begun()
	}
	sub, err := s.client.Subscribe(ctx, s.cfg.Topic, from)
	if err != nil {
		return nil, err
	}
	return newStream(s, org, sub), nil
}

func (s *Source) begun() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tip
}

func (s *Source) remember(tip time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tip = tip
}
