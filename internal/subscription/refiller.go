package subscription

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Refiller rebuilds what is missing in a topic's stream from somewhere else: the
// record APIs for change events, a table for platform events.
type Refiller interface {
	// Refill opens the events that make up for a span, resuming strictly after the
	// position of a batch of an earlier stream of the same span; nil means from the
	// beginning. The stream ends with io.EOF. A position that can no longer be
	// resumed after is an error wrapping [event.ErrPositionRefused], from here or
	// from Next.
	//
	// Where events stand for the states of records, each carries the whole state of its
	// record at the time it was read, so that together with all later events of the
	// topic it leaves the record as it is. The same state, or the same published
	// event, has the same event id however often it is read.
	Refill(ctx context.Context, span event.Span, after event.Position) (event.Stream, error)
	// States reports whether a refill brings everything that changed from the
	// beginning of the span until it is read. Otherwise it brings what was published
	// between the span's ends.
	States() bool
	// Refetch returns the events that make up for a gap event (GAP_CREATE,
	// GAP_UPDATE, GAP_DELETE, GAP_UNDELETE), which says that records changed but not how.
	Refetch(ctx context.Context, gap event.Event) ([]event.Event, error)
}
