package delivery

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// State is where an event is in its life.
type State string

// The states of an event. Waiting includes those in flight.
const (
	Waiting   State = "waiting"
	InFlight  State = "in-flight"
	Delivered State = "delivered"
	DeadState State = "dead"
)

// Record is an event with its history, as shown to people.
type Record struct {
	Seq      int64
	Event    event.Event // Data is nil once retention has removed the payload, and in listings
	State    State
	Accepted time.Time
	// Attempts is how many attempts have been started and counted.
	Attempts int
	// Redelivered is how many attempts were started after one that ended without a recorded answer.
	Redelivered int
	// Due is when the next attempt may start; zero unless waiting.
	Due time.Time
	// Ended is when it was delivered or became a dead letter; zero before.
	Ended time.Time
	// LastOutcome is that of the last recorded failure; zero if there was none.
	LastOutcome event.Outcome
	// History lists the recorded failed attempts, oldest first; only in Find.
	History []Attempt
}

// Attempt is one recorded attempt.
type Attempt struct {
	Number  int
	Started time.Time
	Ended   time.Time
	Outcome event.Outcome
}

// ListFilter selects records for a listing, newest first.
type ListFilter struct {
	Route string // all routes if empty
	State State  // all states if empty
	// Before lists only records with a smaller Seq; 0 means from the newest.
	Before int64
	// Limit is the most records to return; at least 1.
	Limit int
}

// Ledger is the account of one route. Its promise:
// Accepted = Delivered + Dead + Waiting.
type Ledger struct {
	Route     string
	Accepted  int64
	Delivered int64
	Dead      int64
	// Waiting counts the events still on their way, in flight included; it is
	// counted from the records, never computed from the other three.
	Waiting int64
	// Redelivered counts attempts started after one whose answer was never recorded.
	Redelivered int64
	// Filtered counts events that the route's filter kept out; they were never accepted.
	Filtered int64
	// Duplicates counts events the source sent twice and that were accepted once.
	Duplicates int64
	// OldestWaiting is when the oldest waiting event was accepted; zero if none waits.
	OldestWaiting time.Time
}

// Finding is one thing an audit holds against the store.
type Finding struct {
	Route string
	// What is one line: the sum that does not add up, with its numbers.
	What string
}

// Archive is the store's memory of events, as operators need it.
type Archive interface {
	// List returns records without payloads.
	List(ctx context.Context, f ListFilter) ([]Record, error)
	// Find returns the records of an event id (one per route) with payload and history.
	Find(ctx context.Context, id string) ([]Record, error)
	// Ledgers returns the account of every route that has one, by name.
	Ledgers(ctx context.Context) ([]Ledger, error)
	// Audit counts the records anew, independently of the ledger's running
	// numbers, and returns what does not add up.
	Audit(ctx context.Context) ([]Finding, error)
}
