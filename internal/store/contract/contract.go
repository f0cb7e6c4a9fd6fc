// Package contract is what every engine of the store implements and what both
// share: the interface, its configuration and its retention rules.
//
// It holds no state and speaks to no database; it exists so that the engines
// need not import the package that chooses between them. The invariant a
// stranger would break: everything here must hold for SQLite and for PostgreSQL
// alike; what only one of them can promise belongs to that one.
package contract

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/trail"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// Store is the durable state of all engines. Everything is safe for concurrent
// use; a method that returns without error has made its effect durable.
//
// An error that carries an [event.Error] says in Happened whether the effect may
// have landed all the same.
type Store interface {
	delivery.Queue
	delivery.Archive
	subscription.Journal
	subscription.Leases
	route.Keys
	route.Intake
	budget.Book
	watch.Notebook
	Register
	Vault
	trail.Book

	// Ended returns those of ids whose events of the route have come to their end,
	// in any order: of ids that were used again, those whose newest event has.
	Ended(ctx context.Context, route string, ids []string) ([]string, error)
	// Standings returns how the events of a route with those ids stand, without the
	// ids that it has no event of: of ids that were used again, the newest event.
	Standings(ctx context.Context, route string, ids []string) (map[string]Standing, error)
	// Depths tells how much of each route waits, as the accounts say: cheap whatever waits.
	Depths(ctx context.Context) ([]delivery.Depth, error)
	// Sweep removes what retention no longer asks for, in small steps that leave
	// room for other work, and reports what it removed. Waiting events and dead
	// letters are never touched. Cancelling ctx ends it early; what was removed
	// until then stays removed and is in the report.
	Sweep(ctx context.Context, r Retention) (Swept, error)
	// Ping returns nil while the store can take writes.
	Ping(ctx context.Context) error
	// Close stops the store and frees what it holds. Calls in progress finish or
	// fail; later calls fail with [ErrClosed]. It may be called twice.
	Close() error
}

// Standing is how an event stands: as much as whoever holds a copy of it must know.
type Standing struct {
	// State is Waiting also while an attempt is made.
	State    delivery.State
	Accepted time.Time
}

// Retention says how long delivered events are kept. Zero keeps for ever.
type Retention struct {
	// Payload is how long the data of a delivered event is kept after its delivery.
	Payload time.Duration
	// Metadata is how long its record and history are kept; the counts stay.
	// A record is never kept shorter than its payload.
	Metadata time.Duration
}

// Swept is what a [Store.Sweep] removed.
type Swept struct {
	Payloads int64
	Records  int64
	Keys     int64
}
