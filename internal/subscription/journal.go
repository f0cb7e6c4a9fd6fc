package subscription

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// ErrFenced is returned when a lease was lost to another process: whatever was
// asked under the old fence did not happen.
var ErrFenced = errors.New("lease lost to another process")

// Journal is the durable memory of subscriptions, as this engine needs it. All
// methods are safe for concurrent use, and an effect is durable when the method
// returns without error.
type Journal interface {
	// Append stores events and the subscription's new position in one
	// transaction: both land or neither. Concurrent appends share one commit
	// (group commit). It fails with ErrFenced, and stores nothing, when the
	// subscription's lease has passed to another holder.
	Append(ctx context.Context, a Append) error
	// Checkpoint returns what is known of a subscription; the zero value if nothing.
	Checkpoint(ctx context.Context, subscription string) (Checkpoint, error)
	// RecentIDs returns ids of the newest events accepted for a route, at most
	// limit, in no particular order. It feeds the removal of duplicates.
	RecentIDs(ctx context.Context, route string, limit int) ([]string, error)

	// OpenGap records a hole in a subscription's stream and returns its number.
	OpenGap(ctx context.Context, g Gap) (int64, error)
	// UpdateGap replaces the gap with the same number.
	UpdateGap(ctx context.Context, g Gap) error
	// Gaps lists gaps, newest first; of all subscriptions if subscription is empty.
	Gaps(ctx context.Context, subscription string) ([]Gap, error)
}

// Append is one durable step of a subscription.
type Append struct {
	Subscription string
	// Fence is that of the lease under which the caller reads the subscription;
	// the lease has the subscription's name.
	Fence int64
	// Events carry their Route; the same source event appears once per route.
	Events []event.Event
	// Position is the subscription's new position; nil leaves it as it is.
	Position event.Position
	// EventTime is the time of the last event in stream order, zero for a
	// keep-alive position.
	EventTime time.Time
	// Filtered and Duplicates count, per route, events that were kept out.
	Filtered   map[string]int64
	Duplicates map[string]int64
	// Gap, if not nil, replaces the gap with the same number in the same
	// transaction, unless that one is closed already.
	Gap *Gap
}

// Checkpoint is where a subscription stands.
type Checkpoint struct {
	Position event.Position
	// EventTime is that of the last event read, or, before the first, the time from
	// which on a subscription that began at the tip wants events.
	EventTime time.Time
	// Moved is when the position last moved.
	Moved time.Time
}

// unplaced says that a time is known up to which there is nothing to read, but no
// position: the source told of none before the stream ended.
func (c Checkpoint) unplaced() bool { return c.Position == nil && !c.EventTime.IsZero() }

// GapState is how a gap stands.
type GapState string

// The states of a gap.
const (
	// GapOpen: how much is missing is not known yet.
	GapOpen GapState = "open"
	// GapRefilling: what is missing is being brought back, or waits to be.
	GapRefilling GapState = "refilling"
	// GapRefilled: nothing is missing any more.
	GapRefilled GapState = "refilled"
	// GapLost: what was published in the span may be missing for good.
	GapLost GapState = "lost"
	// GapAccepted: lost, and a person has taken note of it.
	GapAccepted GapState = "accepted"
)

// Ended reports whether nothing more happens to the gap by itself.
func (s GapState) Ended() bool { return s != GapOpen && s != GapRefilling }

// Gap is a hole in a subscription's stream: its cause, its span and its end.
type Gap struct {
	Number       int64
	Subscription string
	State        GapState
	// Object is the sObject that the hole is about; empty means all of the topic.
	Object string
	// Cause is one word: "position-expired", "position-corrupted", "position-unknown", "overflow", "gap-event".
	Cause string
	// Detail is one line for people.
	Detail string
	// From is the time of the last event known before the hole, Until that of
	// the first one after it; zero where unknown.
	From, Until time.Time
	Opened      time.Time
	Closed      time.Time
	// Cursor is where the refill stands; nil means at its beginning. It is void once
	// an event of the stream was stored after Began.
	Cursor event.Position
	// Began is when the reading that Cursor belongs to began, Filled when all that
	// is missing was stored; zero before.
	Began, Filled time.Time
	// Witness is the id of the oldest event that the source retained when the extent
	// was found, empty if it retained none. The source must still have it after the refill.
	Witness string
	// Covered is the time up to which readings before this one have brought
	// everything; zero unless the source dropped events while they ran.
	Covered time.Time
	// Read counts the events that the refill brought, Refilled those of them that
	// were new to at least one route.
	Read, Refilled int64
}

// Leases grants names to one process at a time, with fencing.
type Leases interface {
	// Acquire takes or retakes the lease of a name for ttl. If another holder's
	// lease is still valid it returns ok == false and that holder's name. Each
	// change of holder has a greater Fence.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l Lease, ok bool, err error)
	// Renew prolongs a lease; ErrFenced if it has passed to another holder.
	Renew(ctx context.Context, l Lease, ttl time.Duration) error
	// Release gives the lease up so that a successor need not wait for the ttl.
	// Releasing a lost lease does nothing.
	Release(ctx context.Context, l Lease) error
}

// Lease is a name held by one process.
type Lease struct {
	Name   string
	Holder string
	Fence  int64
	Until  time.Time
}
