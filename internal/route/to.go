package route

import (
	"context"
	"fmt"

	"github.com/itchyny/gojq"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// To returns the destination as the route's dispatcher must see it: it rejects
// what was accepted only so as not to be lost, and transforms the data. Both
// happen at delivery and not at acceptance, so that an event redriven from the
// dead letters meets the programs as they are by then.
//
// What it returns takes batches if next does.
func (r *Route) To(next event.Destination) event.Destination {
	d := &destination{route: r, next: next}
	if batches, ok := next.(event.BatchDestination); ok {
		return &batchDestination{destination: d, batches: batches}
	}
	return d
}

type destination struct {
	route *Route
	next  event.Destination
}

// Deliver prepares the event and passes it on.
func (d *destination) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	if refused, ok := d.route.prepare(&e); !ok {
		return refused
	}
	return d.next.Deliver(ctx, e, attempt)
}

type batchDestination struct {
	*destination
	batches event.BatchDestination
}

// DeliverBatch prepares each event and passes on those that can be delivered.
func (d *batchDestination) DeliverBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	outcomes := make([]event.Outcome, len(batch))
	ready, places := make([]event.Attempted, 0, len(batch)), make([]int, 0, len(batch))
	for i, a := range batch {
		refused, ok := d.route.prepare(&a.Event)
		if !ok {
			outcomes[i] = refused
			continue
		}
		ready, places = append(ready, a), append(places, i)
	}
	if len(ready) == 0 {
		return outcomes
	}
	passed := d.batches.DeliverBatch(ctx, ready)
	if len(passed) != len(ready) {
		return passed // wrong as it is; whoever called us finds out
	}
	for i, o := range passed {
		outcomes[places[i]] = o
	}
	return outcomes
}

// prepare makes an event what the destination gets, or says why that cannot be.
func (r *Route) prepare(e *event.Event) (refused event.Outcome, ok bool) {
	switch {
	case e.Type == event.TypeUndecodable:
		return reject("the source could not decode the payload",
			"compare the event's schema with the one in the org; redrive does not help until the payload can be decoded"), false
	case e.Type == typeMalformedReply:
		return refuseReply(e.Data), false
	case r.filter == nil && r.transform == nil:
		return event.Outcome{}, true
	}
	prepared, refused, ok := r.runPrograms(*e)
	*e = prepared
	return refused, ok
}

// runPrograms runs the programs on a copy of the event.
func (r *Route) runPrograms(e event.Event) (prepared event.Event, refused event.Outcome, ok bool) {
	in := newInput(&e)
	if refused, ok := r.recheck(in); !ok {
		return e, refused, false
	}
	if r.transform != nil {
		data, err := r.transform.transform(in)
		if err != nil {
			return e, reject(fmt.Sprintf("transform: %s", err), "correct the route's transform, then redrive"), false
		}
		e.Data = data
	}
	return e, event.Outcome{}, true
}

// recheck asks the filter again. Usually it says the same as at acceptance; it
// matters for an event the filter failed on, and when the filter has changed.
func (r *Route) recheck(in *input) (event.Outcome, bool) {
	if r.filter == nil {
		return event.Outcome{}, true
	}
	take, err := r.filter.decide(in)
	switch {
	case err != nil:
		return reject(fmt.Sprintf("filter: %s", err), "correct the route's filter, then redrive"), false
	case !take:
		return reject("the route's filter does not take this event",
			"the filter was changed, or corrected, after the event was accepted"), false
	}
	return event.Outcome{}, true
}

// transform runs the program and returns its result as JSON.
func (p *program) transform(in *input) ([]byte, error) {
	v, some, err := p.run(in, true)
	if err != nil {
		return nil, err
	}
	if !some || v == nil {
		return nil, fmt.Errorf("its result is empty")
	}
	data, err := gojq.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("its result is not JSON")
	}
	return data, nil
}

func reject(reason, hint string) event.Outcome {
	return event.Outcome{Verdict: event.Reject, Happened: event.HappenedNo, Reason: reason, Hint: hint}
}
