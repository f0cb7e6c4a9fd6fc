package contract

import (
	"errors"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// ErrClosed is returned by calls on a closed store.
var ErrClosed = errors.New("store is closed")

// ErrInspecting is wrapped by writes on a store that was opened to look only.
var ErrInspecting = errors.New("store is opened for inspection only")

// ErrOwned is wrapped when another process owns the store.
var ErrOwned = errors.New("another gateway owns the store")

// Inspecting returns the refusal of op on a store opened to look only.
func Inspecting(op string) error {
	return &event.Error{
		Op: op, Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: "ask the running gateway, or open the store as its owner",
		Err:  ErrInspecting,
	}
}
