package watch

import (
	"context"
	"time"
)

// Notebook keeps small notes for all processes that share a store and over their
// restarts. A note is replaced as a whole, so that writing it twice does no harm.
type Notebook interface {
	// Note writes the note of a scope and a name, replacing an earlier one.
	Note(ctx context.Context, scope, name string, body []byte) error
	// Notes lists the notes of a scope, by name.
	Notes(ctx context.Context, scope string) ([]Note, error)
	// Forget removes a note; it is no error if there is none.
	Forget(ctx context.Context, scope, name string) error
}

// Note is one note.
type Note struct {
	Name string
	Body []byte
	// At is when it was written, by the store's clock; Age how long ago that was, by the
	// same clock.
	At  time.Time
	Age time.Duration
}
