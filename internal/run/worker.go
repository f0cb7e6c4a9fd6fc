// Package run supervises what runs for as long as the process does: it starts
// workers, keeps each one's failure from the others, tracks their health and
// stops them in order. It knows nothing of what they do and imports only the
// standard library.
package run

import "context"

// Worker is one long-running responsibility.
type Worker interface {
	// Name is unique in the process, for health and logs: "subscription /event/Order__e".
	Name() string
	// Run blocks until ctx is cancelled (then it returns nil or ctx's error) or
	// the worker cannot go on (any other error). It leaves no goroutine behind
	// and never ends the process.
	Run(ctx context.Context) error
}
