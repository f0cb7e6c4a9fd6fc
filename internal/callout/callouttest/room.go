// Package callouttest has the other sides of the callout engine in memory: a
// waiting room, a memory of keys and an application that does as it is told. It is for
// tests; nothing in it is durable. It takes time from the time package alone, so that it
// obeys testing/synctest.
package callouttest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// Room is a waiting room in memory with the contract of [route.Intake].
type Room struct {
	mu      sync.Mutex
	kept    []event.Event
	seen    map[string]seen
	records map[string]delivery.Record
	fail    error
	calls   int
	// Accepted, if set, is called with every new event before Accept returns.
	Accepted func(event.Event)
}

type seen struct {
	digest []byte
	at     time.Time
	until  time.Time
}

var _ route.Intake = (*Room)(nil)

// NewRoom returns an empty room.
func NewRoom() *Room { return &Room{seen: map[string]seen{}, records: map[string]delivery.Record{}} }

// Fail makes Accept fail, or work again with nil.
func (r *Room) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// Accept implements [route.Intake].
func (r *Room) Accept(_ context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.fail != nil {
		return nil, r.fail
	}
	now := time.Now()
	receipts := make([]route.Receipt, len(arrivals))
	for i, a := range arrivals {
		id := a.Event.Route + "/" + a.Event.ID
		if old, ok := r.seen[id]; ok && now.Before(old.until) {
			receipts[i] = route.Receipt{Accepted: old.at, Duplicate: bytes.Equal(old.digest, a.Digest), Conflict: !bytes.Equal(old.digest, a.Digest)}
			continue
		}
		if a.Remember > 0 {
			r.seen[id] = seen{a.Digest, now, now.Add(a.Remember)}
		}
		receipts[i].Accepted = now
		r.kept = append(r.kept, a.Event)
		r.records[id] = delivery.Record{Event: a.Event, State: delivery.Waiting, Accepted: now}
		if r.Accepted != nil {
			r.Accepted(a.Event)
		}
	}
	return receipts, nil
}

// Kept returns the events in the order of their acceptance.
func (r *Room) Kept() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event.Event(nil), r.kept...)
}

// Calls counts calls of Accept.
func (r *Room) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// End says how an event ended, for [Room.Find].
func (r *Room) End(e event.Event, state delivery.State, o event.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record := r.records[e.Route+"/"+e.ID]
	record.State, record.LastOutcome, record.Ended, record.Attempts = state, o, time.Now(), record.Attempts+1
	r.records[e.Route+"/"+e.ID] = record
}

// Find is the room's memory of an id.
func (r *Room) Find(_ context.Context, id string) ([]delivery.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return nil, r.fail
	}
	var found []delivery.Record
	for _, record := range r.records {
		if record.Event.ID == id {
			found = append(found, record)
		}
	}
	return found, nil
}
