package route

import (
	"context"
	"time"
)

// Keys remembers idempotency keys: the same key within its lifetime gets the
// same answer. Safe for concurrent use; durable on return.
type Keys interface {
	// Begin claims a key in a scope for a request with the given digest. The claim
	// holds until it is finished or abandoned, or for the time of hold: whoever
	// dies with a key in hand must not keep it from others for ever. After that
	// the key is fresh again, though what its holder did is not known.
	Begin(ctx context.Context, scope, key string, digest []byte, hold time.Duration) (KeyState, error)
	// Finish stores the answer for a key begun before and keeps it for the time of
	// keep, from now; until then other callers see it as in progress.
	Finish(ctx context.Context, scope, key string, answer []byte, keep time.Duration) error
	// Abandon forgets a key begun but not finished, so that it may be tried again.
	Abandon(ctx context.Context, scope, key string) error
}

// KeyState is what Begin found.
type KeyState struct {
	// Fresh: the key is new and now the caller's to finish or abandon.
	Fresh bool
	// Conflict: the key was used with another digest.
	Conflict bool
	// InProgress: somebody began the key and has not finished.
	InProgress bool
	// Answer is what Finish stored; nil unless finished.
	Answer []byte
}
