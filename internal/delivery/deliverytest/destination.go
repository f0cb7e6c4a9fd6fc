package deliverytest

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Call is one attempt that a destination saw.
type Call struct {
	Event   event.Event
	Attempt int
	At      time.Time
	Ended   time.Time
	Outcome event.Outcome
}

// Destination answers by a function and remembers what it saw.
type Destination struct {
	answer func(ctx context.Context, e event.Event, attempt int) event.Outcome

	mu       sync.Mutex
	calls    []Call
	now, top int
}

var _ event.Destination = (*Destination)(nil)

// Answering returns a destination that answers by f.
func Answering(f func(ctx context.Context, e event.Event, attempt int) event.Outcome) *Destination {
	return &Destination{answer: f}
}

// Deliver implements [event.Destination].
func (d *Destination) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	at := time.Now()
	d.mu.Lock()
	d.now++
	d.top = max(d.top, d.now)
	d.mu.Unlock()
	o := d.answer(ctx, e, attempt)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now--
	d.calls = append(d.calls, Call{Event: e, Attempt: attempt, At: at, Ended: time.Now(), Outcome: o})
	return o
}

// Batches takes batches, answers each event by a function and remembers what
// it saw.
type Batches struct {
	Destination
	// Whole, if not nil, sees a batch before its events are answered one by one, and
	// may answer for all of them.
	Whole func(ctx context.Context, batch []event.Attempted) []event.Outcome

	sent [][]event.Attempted
}

var _ event.BatchDestination = (*Batches)(nil)

// AnsweringBatches returns a destination of batches that answers each event by f.
func AnsweringBatches(f func(ctx context.Context, e event.Event, attempt int) event.Outcome) *Batches {
	return &Batches{Destination: Destination{answer: f}}
}

// DeliverBatch implements [event.BatchDestination].
func (d *Batches) DeliverBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	d.mu.Lock()
	d.sent = append(d.sent, batch)
	d.mu.Unlock()
	if d.Whole != nil {
		if outcomes := d.Whole(ctx, batch); outcomes != nil {
			return outcomes
		}
	}
	outcomes := make([]event.Outcome, len(batch))
	for i, a := range batch {
		outcomes[i] = d.Deliver(ctx, a.Event, a.Number)
	}
	return outcomes
}

// Sent returns the batches in the order in which they were sent.
func (d *Batches) Sent() [][]event.Attempted {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]event.Attempted(nil), d.sent...)
}

// Calls returns the attempts that have ended, in the order in which they did.
func (d *Destination) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Call(nil), d.calls...)
}

// Top returns the most attempts that ran at once.
func (d *Destination) Top() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.top
}
