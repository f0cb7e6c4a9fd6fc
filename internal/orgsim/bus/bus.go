package bus

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// defaultRetention is how long the platform keeps high-volume events.
const defaultRetention = 72 * time.Hour

// defaultOverflow is how many changes of one transaction are told one by one.
const defaultOverflow = 100_000

// Config is what a bus needs.
type Config struct {
	// Objects are the org's objects; platform events and objects with change
	// events become topics.
	Objects []*schema.Object
	Clock   *clock.Clock
	// Faults is the switchboard; nil for none.
	Faults *fault.Board
	// Path is a SQLite file that keeps events, positions and subscriptions over a
	// restart; empty keeps everything in memory.
	Path string
	// Retention is how long events are kept; 72 hours unless set.
	Retention time.Duration
	// OverflowAt is the number of changes in one transaction (an update counts its
	// fields) after which entities overflow; 100,000 unless set.
	OverflowAt int
	// DailyDelivered and HourlyPublished are the org's event allocations; 0 means
	// that events are counted and nothing is refused.
	DailyDelivered, HourlyPublished int
	Logger                          *slog.Logger
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Retention == 0 {
		c.Retention = defaultRetention
	}
	if c.OverflowAt == 0 {
		c.OverflowAt = defaultOverflow
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Bus is the event bus of one org. Safe for concurrent use.
type Bus struct {
	cfg Config

	appending sync.Mutex // one writer; guards file
	file      *file      // nil when in memory

	mu      sync.RWMutex
	topics  map[string]*topicLog
	order   []string          // topic names in the org's order
	schemas map[string]string // JSON by id, old ones included
	issued  []mark            // every position handed out inside the retention
	tip     Position          // the last position handed out
	managed map[salesforce.ID]*ManagedSubscription
	objects []*schema.Object
	usage   usage

	declared declarations
	routed   map[string][]*route // by object; worked out from the members
}

// mark is a position and when it was handed out.
type mark struct {
	position Position
	at       time.Time
}

// Open returns the org's bus, with what its file holds from an earlier run.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	cfg = cfg.WithDefaults()
	b := &Bus{
		cfg: cfg, topics: make(map[string]*topicLog), schemas: make(map[string]string),
		managed: make(map[salesforce.ID]*ManagedSubscription), declared: newDeclarations(),
		usage: newUsage(cfg.Clock),
	}
	if err := b.open(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bus) open(ctx context.Context) error {
	if b.cfg.Path != "" {
		var err error
		if b.file, err = openFile(ctx, b.cfg.Path); err != nil {
			return err
		}
	}
	if err := b.SetObjects(b.cfg.Objects); err != nil {
		return err
	}
	if err := b.load(); err != nil {
		return err
	}
	if b.tip == 0 {
		// A new org begins at a position that no earlier org on this machine is
		// likely to have handed out, so that a position of that one is refused.
		return b.issue(Position(b.cfg.Clock.Now().UnixMilli()) << 4)
	}
	return nil
}

// Close gives up the file. Nobody may use the bus after it.
func (b *Bus) Close() error {
	b.appending.Lock()
	defer b.appending.Unlock()
	if b.file == nil {
		return nil
	}
	err := b.file.close()
	b.file = nil
	if err != nil {
		return fmt.Errorf("close event bus: %w", err)
	}
	return nil
}

// SetObjects makes the org's topics those of the objects. Topics that were there
// keep their events; an object whose fields changed gets a new schema, and the
// old one can still be asked for by its id.
func (b *Bus) SetObjects(objects []*schema.Object) error {
	topics, err := topicsOf(objects)
	if err != nil {
		return err
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.file.saveSchemas(topics); err != nil {
		return err
	}
	b.showTopics(objects, topics)
	b.reroute()
	return nil
}

func (b *Bus) showTopics(objects []*schema.Object, topics []Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects = objects
	b.order = b.order[:0]
	for _, t := range topics {
		b.order = append(b.order, t.Name)
		if t.Schema != nil {
			b.schemas[t.Schema.ID] = t.Schema.JSON
		}
		if log, known := b.topics[t.Name]; known {
			log.Topic = t
			continue
		}
		b.topics[t.Name] = newTopicLog(t)
	}
	for _, id := range slices.Sorted(maps.Keys(b.declared.channels)) {
		b.order = append(b.order, b.declared.channels[id].Topic())
	}
}

// Topic returns what there is to know of a topic of the event bus proper, which
// the Pub/Sub API serves too. Names are case-sensitive.
func (b *Bus) Topic(name string) (Topic, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	log, ok := b.topics[name]
	if !ok || log.streaming {
		return Topic{}, false
	}
	return log.Topic, true
}

// StreamingTopic is [Bus.Topic] for the Streaming API, which also serves
// PushTopics and generic channels.
func (b *Bus) StreamingTopic(name string) (Topic, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	log, ok := b.topics[name]
	if !ok {
		return Topic{}, false
	}
	return log.Topic, true
}

// Topics returns the org's topics in order.
func (b *Bus) Topics() []Topic {
	b.mu.RLock()
	defer b.mu.RUnlock()
	topics := make([]Topic, 0, len(b.order))
	for _, name := range b.order {
		topics = append(topics, b.topics[name].Topic)
	}
	return topics
}

// Schema returns the text of the schema with the id, newest or not.
func (b *Bus) Schema(id string) (json string, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	json, ok = b.schemas[id]
	return json, ok
}

// Published returns the ids of the events of a topic in order, each once: the
// ground truth that a test holds a subscriber against. Events older than the
// retention stay in the list for as long as the process lives.
func (b *Bus) Published(topic string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if log, ok := b.topics[topic]; ok {
		return append([]string(nil), log.published...)
	}
	return nil
}

// PublishedCount returns the number of ids that [Bus.Published] would return.
func (b *Bus) PublishedCount(topic string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if log, ok := b.topics[topic]; ok {
		return len(log.published)
	}
	return 0
}
