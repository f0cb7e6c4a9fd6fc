package encrypted

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/sealed"
)

// Destination returns next as it is seen from where events rest: it gets payloads
// opened. An event whose key is missing finds the destination unavailable, so that it
// waits, its route pauses and says why; one that is damaged is refused, and so becomes a
// dead letter that a person sees.
//
// What it returns takes batches if next does.
func Destination(keys *sealed.Keyring, next event.Destination) event.Destination {
	d := &destination{keys, next}
	if batches, ok := next.(event.BatchDestination); ok {
		return &batchDestination{d, batches}
	}
	return d
}

type destination struct {
	keys *sealed.Keyring
	next event.Destination
}

// open opens the data of an event, or says how the attempt ends.
func (d *destination) open(e *event.Event) (event.Outcome, bool) {
	clear, err := d.keys.Open(e.Route, e.ID, e.Data)
	if err == nil {
		e.Data = clear
		return event.Outcome{}, true
	}
	o := event.Outcome{Verdict: event.Unavailable, Happened: event.HappenedNo, Reason: err.Error(), Hint: keyHint}
	if errors.Is(err, sealed.ErrDamaged) {
		o.Verdict, o.Hint = event.Reject, "the store or the broker does not hold what was put in: restore it, or accept the event's loss"
	}
	return o, false
}

// Deliver implements [event.Destination].
func (d *destination) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	if o, ok := d.open(&e); !ok {
		return o
	}
	return d.next.Deliver(ctx, e, attempt)
}

type batchDestination struct {
	*destination
	batches event.BatchDestination
}

// DeliverBatch implements [event.BatchDestination].
func (d *batchDestination) DeliverBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	outcomes := make([]event.Outcome, len(batch))
	ready, places := make([]event.Attempted, 0, len(batch)), make([]int, 0, len(batch))
	for i, a := range batch {
		o, ok := d.open(&a.Event)
		if !ok {
			outcomes[i] = o
			continue
		}
		ready, places = append(ready, a), append(places, i)
	}
	if len(ready) == 0 {
		return outcomes
	}
	passed := d.batches.DeliverBatch(ctx, ready)
	for k, i := range places {
		if k < len(passed) {
			outcomes[i] = passed[k]
			continue
		}
		outcomes[i] = event.Outcome{
			Verdict: event.Retry, Happened: event.HappenedUnknown, Reason: "the destination said nothing of this event of a batch",
		}
	}
	return outcomes
}
