package sqlite

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

const (
	// batchEvents bounds the events of one batch.
	batchEvents = 256
	// batchBytes is the size from which a batch takes no further payload.
	batchBytes = 1 << 20
)

// newcomer is an event that a transaction accepts.
type newcomer struct {
	ev *event.Event // its caller's, who waits
	is memory
}

// filling are the events of one route that a transaction accepts.
type filling struct {
	route  int64
	events []newcomer
}

// accept has an event written at the end of the transaction, together with all
// others of its route: what a row costs is then shared by a whole batch.
func (tx *txn) accept(e *event.Event, is memory) error {
	number, err := tx.route(e.Route)
	if err != nil {
		return err
	}
	if err := tx.trailAccepted(e); err != nil {
		return err
	}
	for i := range tx.filling {
		if f := &tx.filling[i]; f.route == number {
			f.events = append(f.events, newcomer{e, is})
			return nil
		}
	}
	tx.filling = append(tx.filling, filling{route: number, events: []newcomer{{e, is}}})
	return nil
}

// flush writes what was accepted.
func (tx *txn) flush() error {
	for _, f := range tx.filling {
		for events := f.events; len(events) > 0; {
			n, bytes := 0, 0
			for n < min(len(events), batchEvents) && (n == 0 || bytes < batchBytes) {
				bytes += len(events[n].ev.Data)
				n++
			}
			if err := tx.batch(f.route, events[:n], bytes); err != nil {
				return fmt.Errorf("write events: %w", err)
			}
			events = events[n:]
		}
	}
	tx.filling = nil
	return nil
}

// batch writes one batch and offers its events to their room.
func (tx *txn) batch(route int64, events []newcomer, bytes int) error {
	w := tx.w
	b := batch{first: w.seq + 1, n: len(events), route: route, accepted: tx.now}
	w.seq += int64(len(events))
	w.packed = append(w.packed[:0], traitsFormat)
	w.body = grown(w.body, bytes)
	for i := range events {
		t, err := tx.traits(&events[i])
		if err != nil {
			return err
		}
		b.until = max(b.until, t.until)
		w.packed = t.encode(w.packed, tx.now)
		w.body = append(w.body, events[i].ev.Data...)
	}
	w.ids = appendFilter(w.ids[:0], events)
	if err := tx.write(b, w.ids, w.packed, w.body); err != nil {
		return err
	}
	tx.of(route).accepted += int64(len(events))
	w.rooms.arrive(b, events)
	return nil
}

// grown returns an empty buffer for n bytes, b itself if it will do. One that
// became very large is not kept.
func grown(b []byte, n int) []byte {
	if b == nil || cap(b) < n || cap(b) > 4*batchBytes {
		return make([]byte, 0, n)
	}
	return b[:0]
}

func (tx *txn) traits(c *newcomer) (traits, error) {
	e := c.ev
	kind, err := tx.kind(e)
	return traits{
		lane: delivery.LaneOf(*e), kind: kind, time: micros(e.Time), refilled: e.Refilled,
		id: e.ID, subject: e.Subject, key: e.Key, trace: e.TraceParent,
		until: c.is.until, digest: c.is.digest, size: len(e.Data),
	}, err
}

// batch is the row of a batch.
type batch struct {
	first           int64
	n               int
	route, accepted int64
	until           int64 // the last end of a memory of its ids
}

func (tx *txn) write(b batch, ids, packed, body []byte) error {
	s := tx.w.stmts.batch
	for i, n := range [...]int64{b.first, int64(b.n), b.route, int64(b.n), b.accepted, b.until} {
		s.BindInt64(i+1, n)
	}
	s.BindBytes(7, ids)
	if _, err := step(s); err != nil {
		return err
	}
	return tx.fill(b.first, packed, body)
}

// fill writes the traits and the payloads of a batch; without a body, all
// payloads are gone.
func (tx *txn) fill(first int64, packed, body []byte) error {
	s := tx.w.stmts.traits
	s.BindInt64(1, first)
	s.BindBytes(2, packed)
	if _, err := step(s); err != nil {
		return err
	}
	if body == nil {
		return nil
	}
	s = tx.w.stmts.body
	s.BindInt64(1, first)
	s.BindBytes(2, body)
	_, err := step(s)
	return err
}

// settleOf notes that an event of a batch was settled (-1), or is open again (1).
func (tx *txn) settleOf(first int64, by int64) {
	if tx.open == nil {
		tx.open = make(map[int64]int64)
	}
	tx.open[first] += by
}

// count writes how many events of each batch are open now.
func (tx *txn) countOpen() error {
	s := tx.w.stmts.open
	for first, by := range tx.open {
		s.BindInt64(1, by)
		s.BindInt64(2, first)
		if _, err := step(s); err != nil {
			return fmt.Errorf("count open events: %w", err)
		}
	}
	return nil
}
