package event

import (
	"context"
	"time"
)

// Start says where a stream begins.
type Start struct {
	// After resumes strictly after a position; nil means no position is known,
	// and Earliest decides.
	After Position
	// Earliest begins at the oldest event the source still retains; otherwise
	// the stream begins at the tip, and what was published before is not seen.
	Earliest bool
}

// Source is a topic (or queue) that events are pulled from.
type Source interface {
	// Open connects and returns a stream. An error wrapping
	// [ErrPositionRefused] means that the source no longer knows Start.After;
	// the same error may also come later from [Stream.Next], because some
	// sources refuse only after the connection stands.
	Open(ctx context.Context, start Start) (Stream, error)
}

// Stream is one open subscription. It is not safe for concurrent use.
type Stream interface {
	// Next blocks until the source sends something: events, a newer position of
	// a quiet topic (a batch without events), a sign of life from a source that
	// knows of no newer one (a batch of neither), or an error. After an error the
	// stream is dead. Cancelling ctx unblocks it.
	Next(ctx context.Context) (Batch, error)
	// Close ends the subscription and frees what it holds. It may be called twice.
	Close() error
}

// Committer is a stream whose source keeps the position: it is told what has been
// stored, and a later stream begins after that, whatever its [Start] says.
type Committer interface {
	// Commit says that everything up to a position is stored. It does not wait for the
	// source, and may be called while Next blocks.
	Commit(at Position) error
}

// Batch is what a source sent at once, in stream order.
type Batch struct {
	Events []Event
	// Position is the place after the last event of the batch (or, on a quiet
	// topic, the newest place the source has told of); nil where it is not known yet.
	Position Position
	// Positions are the places after each event, for who stops inside the batch: nil
	// where the source does not tell, else as long as Events, with nil after an event
	// that shares its place with the next.
	Positions []Position
	// Received is when the batch arrived.
	Received time.Time
}

// Destination is where a route's events go.
type Destination interface {
	// Deliver makes one attempt (numbered from 1) and says how it ended. It
	// never panics and never retries by itself; the deadline of ctx bounds it.
	Deliver(ctx context.Context, e Event, attempt int) Outcome
}
