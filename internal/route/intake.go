package route

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Intake is where events wait that somebody hands over and wants to see
// accepted: a callout, an application's own event, a message of a queue. It is
// safe for concurrent use.
type Intake interface {
	// Accept stores arrivals and says of each, in their order, what became of it.
	// When it returns without error everything accepted is durable, in one
	// transaction with the memory of its id; concurrent calls share a commit
	// (group commit). On error nothing is promised: an [event.Error] says in
	// Happened whether the events may have landed, and repeating with the same
	// ids is harmless.
	Accept(ctx context.Context, arrivals []Arrival) ([]Receipt, error)
}

// Arrival is one event handed over.
type Arrival struct {
	// Event carries its Route, and under ID the caller's idempotency key or an id of our own.
	Event event.Event
	// Digest tells apart two requests that use one id; nil compares nothing.
	Digest []byte
	// Remember is how long the id is known to the route: until then the same id is
	// a duplicate. Zero says that the id is new by construction, and is not remembered.
	Remember time.Duration
}

// Receipt is what became of an arrival.
type Receipt struct {
	// Duplicate: the id was accepted before with an equal digest (or is given
	// twice in one call); it was not stored again.
	Duplicate bool
	// Conflict: the id was accepted before with another digest; it was not stored.
	Conflict bool
	// Accepted is when the event of that id was accepted.
	Accepted time.Time
}
