package bus

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const genericPrefix = "0M6"

// StreamingChannel is a generic channel (/u/name): whoever may, pushes free text.
type StreamingChannel struct {
	ID          salesforce.ID `json:"Id"`
	Name        string        `json:"Name"` // begins with /u/
	Description string        `json:"Description,omitempty"`
}

// GenericEvent is what a generic channel's events carry.
type GenericEvent struct {
	Payload string   `json:"payload"`
	UserIDs []string `json:"userIds"` // empty means everyone
}

var genericName = regexp.MustCompile(`^/u/[\w.-]+(/[\w.-]+)*$`)

// DeclareGeneric creates a generic channel.
func (b *Bus) DeclareGeneric(c StreamingChannel) (StreamingChannel, error) {
	if !genericName.MatchString(c.Name) {
		return c, refuse("FIELD_INTEGRITY_EXCEPTION", []string{"Name"}, "Channel names begin with /u/ and hold no spaces: %s", c.Name)
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if _, taken := b.StreamingTopic(c.Name); taken {
		return c, refuse("DUPLICATE_VALUE", []string{"Name"}, "duplicate value found: Name duplicates value on record %s", c.Name)
	}
	var err error
	if c.ID, err = newID(genericPrefix, b.declared.generic); err != nil {
		return c, err
	}
	if err := b.file.saveDeclared(kindGeneric, c.ID, c); err != nil {
		return c, err
	}
	return c, b.showGeneric(c)
}

func (b *Bus) showGeneric(c StreamingChannel) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.declared.generic[c.ID] = &c
	b.putTopicLocked(Topic{Name: c.Name, Retention: legacyRetention}, true)
	return nil
}

// Generic returns the generic channels by id.
func (b *Bus) Generic() []StreamingChannel {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]StreamingChannel, 0, len(b.declared.generic))
	for _, id := range slices.Sorted(maps.Keys(b.declared.generic)) {
		list = append(list, *b.declared.generic[id])
	}
	return list
}

// DeleteGeneric removes a generic channel with its events and reports whether
// there was one.
func (b *Bus) DeleteGeneric(id salesforce.ID) (bool, error) {
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.file.deleteDeclared(kindGeneric, id); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.declared.generic[id]
	if ok {
		delete(b.declared.generic, id)
		b.dropTopicLocked(c.Name)
	}
	return ok, nil
}

// Push puts events on a generic channel, in order, and returns how many watch it
// for each: the fan-out that the pusher is told.
func (b *Bus) Push(channel string, events ...GenericEvent) (fanout int, err error) {
	b.appending.Lock()
	defer b.appending.Unlock()
	b.mu.RLock()
	log, ok := b.topics[channel]
	if ok {
		fanout = len(log.watchers)
	}
	b.mu.RUnlock()
	if !ok || !log.streaming {
		return 0, fmt.Errorf("push to %s: %w", channel, ErrNoTopic)
	}
	batch := b.newBatch()
	for _, e := range events {
		payload, err := json.Marshal(e)
		if err != nil {
			return 0, fmt.Errorf("push to %s: %w", channel, err)
		}
		batch.add(&Draft{Payload: payload}, channel)
	}
	return fanout, b.commit(batch)
}
