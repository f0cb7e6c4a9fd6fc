package event

import "context"

// Attempted is an event with the number of the attempt that is being made, from 1.
type Attempted struct {
	Event  Event
	Number int
}

// BatchDestination is a destination that takes several events in one attempt:
// one request to a record API, or one request to an application that asked for
// batches.
type BatchDestination interface {
	Destination
	// DeliverBatch makes one attempt on every event and says of each how it
	// ended: the outcomes have the length and the order of batch. An event's
	// outcome is its own; one that the destination refuses does not fail its
	// neighbours. Like Deliver it never panics and never retries by itself, and the
	// deadline of ctx bounds it.
	DeliverBatch(ctx context.Context, batch []Attempted) []Outcome
}
