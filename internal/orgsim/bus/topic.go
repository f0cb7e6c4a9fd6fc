package bus

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// ChangeEvents is the topic that carries the change events of every selected object.
const ChangeEvents = "/data/ChangeEvents"

// ErrNoTopic says that the org has no topic of the name.
var ErrNoTopic = errors.New("no such topic")

// Topic is what there is to know of a topic without its events.
type Topic struct {
	Name string
	// Object is the platform event or the sObject whose changes flow; nil for
	// [ChangeEvents].
	Object *schema.Object
	// Schema is the topic's newest schema; nil for [ChangeEvents], which has many.
	Schema *avro.Schema
	// Publishable says that clients may publish: never to change event topics.
	Publishable bool
	// Retention is how long events are kept; 0 means the bus's own.
	Retention time.Duration
}

// EventTopic returns the topic name of a platform event.
func EventTopic(object string) string { return "/event/" + object }

// ChangeTopic returns the topic name of an object's changes.
func ChangeTopic(object string) string { return "/data/" + avro.ChangeEventName(object) }

// topicLog is a topic with its events. Guarded by Bus.mu.
type topicLog struct {
	Topic
	events    []*Event // by position, the retained ones
	published []string // ids in order, duplicates left out
	changed   chan struct{}
	watchers  map[*Watcher]bool
	// streaming says that only the Streaming API has the topic: PushTopics and
	// generic channels, whose events are JSON and have no schema.
	streaming bool
}

func newTopicLog(t Topic) *topicLog {
	return &topicLog{Topic: t, changed: make(chan struct{}), watchers: make(map[*Watcher]bool)}
}

// notify wakes whoever waits for events.
func (t *topicLog) notify() {
	close(t.changed)
	t.changed = make(chan struct{})
	for w := range t.watchers {
		w.Nudge()
	}
}

// cutoff is the time before which the topic's events have aged out.
func (t *topicLog) cutoff(now time.Time, usual time.Duration) time.Time {
	return now.Add(-cmp.Or(t.Retention, usual))
}

func (t *topicLog) append(e *Event) {
	t.events = append(t.events, e)
	if !e.Duplicate {
		t.published = append(t.published, e.ID)
	}
}

// after returns the index of the first event after p.
func (t *topicLog) after(p Position) int {
	low, high := 0, len(t.events)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if t.events[middle].Position <= p {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// topicsOf derives the org's topics from its objects.
func topicsOf(objects []*schema.Object) ([]Topic, error) {
	topics := []Topic{{Name: ChangeEvents}}
	for _, o := range objects {
		switch {
		case o.Kind == schema.PlatformEvent:
			s, err := avro.Event(o)
			if err != nil {
				return nil, fmt.Errorf("derive topic: %w", err)
			}
			topics = append(topics, Topic{Name: EventTopic(o.Name), Object: o, Schema: s, Publishable: true})
		case o.ChangeEvents:
			s, err := avro.Change(o)
			if err != nil {
				return nil, fmt.Errorf("derive topic: %w", err)
			}
			topics = append(topics, Topic{Name: ChangeTopic(o.Name), Object: o, Schema: s})
		}
	}
	return topics, nil
}
