package bus

import (
	"fmt"

	"zombiezen.com/go/sqlite/sqlitex"
)

// moveDistance is how far a move throws the positions: farther than a client
// could guess.
const moveDistance = 1 << 32

// Move does to the bus what a migration of the org to another instance does: every
// position handed out so far becomes invalid. What is retained stays, with new
// positions, unless drop is set. Subscribers that read on from an old position
// must be cut by their servers.
func (b *Bus) Move(drop bool) error {
	b.appending.Lock()
	defer b.appending.Unlock()
	entries := b.movedEntries(drop)
	first := b.Tip() + moveDistance
	for i := range entries {
		e := *entries[i].event
		first = next(first)
		e.Position = first
		entries[i].event = &e
	}
	if err := b.file.replaceEvents(entries); err != nil {
		return fmt.Errorf("move org: %w", err)
	}
	b.mu.Lock()
	b.issued = nil
	touched := make(map[*topicLog]bool)
	for _, log := range b.topics {
		log.events = nil
		touched[log] = true
	}
	for _, e := range entries {
		b.tip = e.event.Position
		b.issued = append(b.issued, mark{position: e.event.Position, at: e.event.At})
		for _, name := range e.topics {
			b.topics[name].events = append(b.topics[name].events, e.event)
		}
	}
	for log := range touched {
		log.notify()
	}
	b.mu.Unlock()
	return b.issueLocked(next(first))
}

// movedEntries returns the retained events in order, each with its topics.
func (b *Bus) movedEntries(drop bool) []entry {
	if drop {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	topics := make(map[*Event][]string)
	events := make(map[Position]*Event)
	for name, log := range b.topics {
		for _, e := range log.events {
			events[e.Position] = e
			topics[e] = append(topics[e], name)
		}
	}
	var entries []entry
	for _, m := range b.issued { // in order, and every event's position is among them
		if e, ok := events[m.position]; ok {
			entries = append(entries, entry{event: e, topics: topics[e]})
		}
	}
	return entries
}

// replaceEvents makes entries the only events in the file, and forgets every
// position handed out.
func (f *file) replaceEvents(entries []entry) (err error) {
	if f == nil {
		return nil
	}
	end, err := sqlitex.ImmediateTransaction(f.conn)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer end(&err)
	for _, table := range []string{"DELETE FROM event", "DELETE FROM mark"} {
		if err := f.exec(table); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := f.saveEvent(e); err != nil {
			return err
		}
	}
	return nil
}
