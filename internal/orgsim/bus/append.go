package bus

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// maxStep is the largest distance between two neighbouring positions. Real ids
// have holes, and a client that counts on the next number must find out here.
const maxStep = 4

// entry is an event on its way to its topics.
type entry struct {
	event  *Event
	topics []string
}

// batch collects entries that are committed together. Whoever has one holds
// Bus.appending.
type batch struct {
	bus     *Bus
	now     time.Time
	tip     Position
	entries []entry
}

// newBatch begins a batch; the caller holds appending.
func (b *Bus) newBatch() *batch {
	return &batch{bus: b, now: b.cfg.Clock.Now(), tip: b.tip} // only writers change tip, and we are the writer
}

// add gives a draft its place, and a second one if the duplicate fault strikes.
func (t *batch) add(d *Draft, topics ...string) *Event {
	t.tip = next(t.tip)
	e := &Event{Position: t.tip, ID: d.eventID(), SchemaID: d.SchemaID, Payload: d.Payload, Headers: d.Headers, At: t.now}
	t.entries = append(t.entries, entry{event: e, topics: topics})
	if t.bus.duplicated(topics) {
		t.tip = next(t.tip)
		again := *e
		again.Position, again.Duplicate = t.tip, true
		t.entries = append(t.entries, entry{event: &again, topics: topics})
	}
	return e
}

// Append puts events on a topic, in order and all or none, and returns them with
// their positions. They are on disk, if the bus has a file, and visible when it
// returns.
//
// The events go to the custom channels that have selected the topic's event, too.
// If the org's hourly allocation does not hold all of them, the error is
// [ErrPublishLimit].
func (b *Bus) Append(topic string, drafts ...Draft) ([]*Event, error) {
	t, ok := b.Topic(topic)
	if !ok {
		return nil, fmt.Errorf("append to %s: %w", topic, ErrNoTopic)
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.published(len(drafts)); err != nil {
		return nil, fmt.Errorf("append to %s: %w", topic, err)
	}
	batch := b.newBatch()
	events := make([]*Event, 0, len(drafts))
	for i := range drafts {
		events = append(events, batch.add(&drafts[i], b.eventTopics(&t, &drafts[i])...))
	}
	if err := b.commit(batch); err != nil {
		return nil, err
	}
	return events, nil
}

// eventTopics returns where an event goes: its own topic, and the custom channels
// whose filter it passes. One that cannot be read passes none.
func (b *Bus) eventTopics(t *Topic, d *Draft) []string {
	topics := []string{t.Name}
	if t.Object == nil {
		return topics
	}
	var fields avro.Record
	for _, r := range b.routes(t.Object) {
		if r.filter != nil && fields == nil {
			fields = b.decode(d)
		}
		if r.filter == nil || fields != nil && r.filter.Match(fields.Get) {
			topics = append(topics, r.topic)
		}
	}
	return topics
}

func (b *Bus) decode(d *Draft) avro.Record {
	text, ok := b.Schema(d.SchemaID)
	if !ok {
		return nil
	}
	decoder, err := avro.NewDecoder(text)
	if err != nil {
		return nil
	}
	fields, err := decoder.Decode(d.Payload)
	if err != nil {
		return nil
	}
	return fields
}

func next(p Position) Position { return p + 1 + Position(rand.IntN(maxStep)) }

func (b *Bus) duplicated(topics []string) bool {
	for _, topic := range topics {
		if _, ok := b.cfg.Faults.Take(fault.DuplicateDelivery, fault.Point{Topic: topic}); ok {
			return true
		}
	}
	return false
}

// commit writes a batch to the file and then shows it. The caller holds appending.
func (b *Bus) commit(t *batch) error {
	if len(t.entries) == 0 {
		return nil
	}
	if err := b.file.saveEvents(t.entries, t.now.Add(-b.cfg.Retention)); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	touched := make(map[*topicLog]bool, 2)
	for _, e := range t.entries {
		b.showLocked(e, touched)
	}
	for log := range touched {
		log.notify()
	}
	b.trimLocked(t.now)
	return nil
}

func (b *Bus) showLocked(e entry, touched map[*topicLog]bool) {
	b.tip = e.event.Position
	b.issued = append(b.issued, mark{position: e.event.Position, at: e.event.At})
	for _, name := range e.topics {
		if log, ok := b.topics[name]; ok {
			log.append(e.event)
			touched[log] = true
		}
	}
}

// trimLocked forgets what is older than the retention.
func (b *Bus) trimLocked(now time.Time) {
	for _, log := range b.topics {
		cutoff, n := log.cutoff(now, b.cfg.Retention), 0
		for n < len(log.events) && log.events[n].At.Before(cutoff) {
			n++
		}
		log.events = log.events[n:]
	}
	cutoff, n := now.Add(-b.cfg.Retention), 0
	for n < len(b.issued) && b.issued[n].at.Before(cutoff) {
		n++
	}
	b.issued = b.issued[n:]
}

// issue hands out a position that is no event's.
func (b *Bus) issue(p Position) error {
	b.appending.Lock()
	defer b.appending.Unlock()
	return b.issueLocked(p)
}

func (b *Bus) issueLocked(p Position) error {
	m := mark{position: p, at: b.cfg.Clock.Now()}
	if err := b.file.saveMark(m); err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tip = p
	b.issued = append(b.issued, m)
	return nil
}
