package control

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// The kinds of refusal, for errors.Is.
var (
	// ErrNotFound: the store does not know what was asked for.
	ErrNotFound = errors.New("not found")
	// ErrBadRequest: the question makes no sense; asking again will not help.
	ErrBadRequest = errors.New("bad request")
	// ErrUnauthorized: the token is missing or wrong.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnreachable: nobody answers at the address; nothing was done.
	ErrUnreachable = errors.New("gateway unreachable")
	// ErrTimeout: the answer took too long; an order may or may not have been carried out.
	ErrTimeout = errors.New("timed out")
	// ErrInternal: the gateway failed.
	ErrInternal = errors.New("internal error")
)

// kinds gives each kind its word on the wire and its HTTP status.
var kinds = []struct {
	err    error
	code   string
	status int
}{
	{ErrNotFound, "not_found", 404},
	{ErrBadRequest, "bad_request", 400},
	{ErrUnauthorized, "unauthorized", 401},
	{ErrTimeout, "timeout", 504},
	{ErrInternal, "internal", 500},
}

// Error is a refusal or failure with the next step for a person.
type Error struct {
	// Kind is one of the Err values of this package.
	Kind error
	// What is one line without secrets and payload.
	What string
	// Hint is the next step; may be empty.
	Hint string
	// Err is the cause, if it is known on this side of the wire.
	Err error
}

// Error returns what happened.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.What + ": " + e.Err.Error()
	}
	return e.What
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// fault turns an engine's or store's error into an [*Error] that names what was
// tried and what to do.
func fault(what string, err error) *Error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	kind, hint := ErrInternal, event.HintOf(err)
	if errors.Is(err, context.DeadlineExceeded) {
		kind = ErrTimeout
		hint = "ask for less at once, or look whether the store is overloaded"
	}
	if hint == "" {
		hint = "check that the store can be reached and has room: see /readyz and the gateway's log"
	}
	return &Error{Kind: kind, What: what, Hint: hint, Err: err}
}
