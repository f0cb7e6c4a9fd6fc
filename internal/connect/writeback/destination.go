package writeback

import (
	"context"
	"fmt"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// Wires are the clients of the org. Bulk may be nil without BulkOver, Bus where
// nothing is published over the Pub/Sub API.
type Wires struct {
	REST *rest.Client
	Bulk *bulk.Client
	Bus  *pubsub.Client
}

// Destination writes events to an org. It is safe for concurrent use.
type Destination struct {
	cfg     Config
	wires   Wires
	allowed map[target]bool
	retry   map[string]bool

	mu         sync.Mutex // guards the map; each publisher guards itself
	publishers map[string]*publisher
}

var _ event.BatchDestination = (*Destination)(nil)

// New returns a destination. It connects at the first delivery.
func New(cfg Config, wires Wires) (*Destination, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check salesforce destination: %w", err)
	}
	d := &Destination{
		cfg: cfg, wires: wires, allowed: map[target]bool{}, retry: map[string]bool{}, publishers: map[string]*publisher{},
	}
	for _, a := range cfg.Allow {
		object, op, err := parseAllowed(a)
		if err != nil {
			return nil, err
		}
		d.allowed[target{object: object, op: op}] = true
	}
	for _, code := range cfg.RetryCodes {
		d.retry[code] = true
	}
	return d, nil
}

// Close ends the publish streams. Deliveries in progress fail.
func (d *Destination) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.publishers {
		p.close()
	}
}

// Deliver writes one event.
func (d *Destination) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	return d.DeliverBatch(ctx, []event.Attempted{{Event: e, Number: attempt}})[0]
}

// DeliverBatch writes events in as few requests as their targets allow, one request
// after another. When the org takes no writes at all the requests left are not made.
func (d *Destination) DeliverBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	b := &delivery{d: d, batch: batch, writes: make([]*write, len(batch)), outcomes: make([]event.Outcome, len(batch))}
	for i := range batch {
		w, err := d.read(&batch[i].Event)
		if err != nil {
			b.outcomes[i] = unreadable(err)
			continue
		}
		b.writes[i] = &w
	}
	requests := d.plan(b.writes)
	for n, r := range requests {
		if !b.make(ctx, r) {
			for _, left := range requests[n+1:] {
				b.leave(left, b.outcomes[r.at[0]])
			}
			break
		}
	}
	return b.outcomes
}

func unreadable(err error) event.Outcome {
	return event.Outcome{
		Verdict: event.Reject, Happened: event.HappenedNo, Reason: err.Error(),
		Hint: "correct the event, or the route's transform, then redrive",
	}
}

// delivery is one batch under way.
type delivery struct {
	d        *Destination
	batch    []event.Attempted
	writes   []*write
	outcomes []event.Outcome
}

// make makes a request and reports whether others may follow.
func (b *delivery) make(ctx context.Context, r *request) bool {
	switch {
	case r.bulk:
		b.ingest(ctx, r)
	case r.op == Publish && b.d.cfg.Via == PubSub:
		b.publish(ctx, r)
	default:
		b.collect(ctx, r, r.at)
	}
	for _, i := range r.at {
		if b.outcomes[i].Verdict != event.Unavailable {
			return true
		}
	}
	return false
}

// leave says of a request that is not made what an earlier one found out.
func (b *delivery) leave(r *request, found event.Outcome) {
	found.Happened = event.HappenedNo
	b.all(r.at, found)
}

// all gives events one outcome.
func (b *delivery) all(at []int, o event.Outcome) {
	for _, i := range at {
		b.outcomes[i] = o
	}
}
