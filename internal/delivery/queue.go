package delivery

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Lanes is the number of lanes in which a route's events wait. An event's lane
// is a hash of its key; an ordered route has one event of a lane in flight.
// More lanes mean less waiting behind a stranger's retry, and more work to find
// the next event.
const Lanes = 256

// Queue is the durable waiting room of routes, as the dispatcher needs it.
// Everything is safe for concurrent use, and every method that returns without
// error has made its effect durable.
type Queue interface {
	// Claim takes up to Max waiting, due events of a route for this process and
	// counts the start of an attempt on each. It blocks until at least one is to
	// be had or ctx is done (then it returns ctx's error).
	//
	// On an ordered route a lane's events are handed out in sequence order and
	// only while no earlier event of the lane is unsettled elsewhere: one claim
	// may hold a run of several events of one lane, which the caller must deliver
	// one after another, and nobody else gets events of that lane until all of
	// them are settled or their lease has expired.
	//
	// A claim whose lease expires returns to waiting; its next claim has
	// Redelivery set, because the outcome of the attempt is unknown.
	Claim(ctx context.Context, req ClaimRequest) ([]Claimed, error)
	// Settle records how claims ended. A settlement whose lease has expired and
	// whose event was claimed again changes nothing and is returned as stale.
	Settle(ctx context.Context, settlements []Settlement) (stale []Settlement, err error)
	// Extend prolongs the leases of claims still being worked on. It returns the
	// ones lost meanwhile.
	Extend(ctx context.Context, claims []Claimed, lease time.Duration) (lost []Claimed, err error)
	// Redrive returns dead letters to waiting with their attempts counted anew,
	// and reports how many it moved.
	Redrive(ctx context.Context, f DeadFilter) (int, error)
}

// ClaimRequest says what a dispatcher wants to claim.
type ClaimRequest struct {
	Route string
	// Max is the most events to claim at once, at least 1.
	Max int
	// Run is the most consecutive events of one lane in a claim of an ordered
	// route, at least 1.
	Run     int
	Ordered bool
	// Owner names the claiming process, for people.
	Owner string
	// Lease is how long the claim holds without being settled or extended.
	Lease time.Duration
}

// Claimed is one event in the hands of a dispatcher.
type Claimed struct {
	Event event.Event
	// Seq is the event's place in the store: unique, rising in the order of acceptance.
	Seq  int64
	Lane int
	// Attempt is the number of this attempt, from 1; attempts that found the
	// destination unavailable are not counted.
	Attempt int
	// Redelivery says that an earlier attempt ended without a recorded answer,
	// so the application may see the event a second time.
	Redelivery bool
	// Token fences this claim: a later claim of the same event has a greater one.
	Token int64
	// Accepted is when the event was appended.
	Accepted time.Time
}

// Disposition is what becomes of a claimed event.
type Disposition int

const (
	// Done: delivered; never to be sent again.
	Done Disposition = iota
	// Again: waits until Due for its next attempt.
	Again
	// Dead: goes to the dead letters.
	Dead
	// Release: back to waiting as if it had not been claimed; the attempt is not
	// counted. Due may delay it.
	Release
)

// Settlement is the end of one claim.
type Settlement struct {
	Seq   int64
	Token int64
	Do    Disposition
	// Due is when an event settled with Again or Release may be claimed next;
	// zero means at once.
	Due time.Time
	// Attempt describes the attempt for the history; kept for failed attempts.
	Outcome event.Outcome
	Started time.Time
	Ended   time.Time
	// Follow are events that this end brings about, such as the records that the
	// application answered with. They carry their Route, and are accepted in the
	// transaction that records the end: both land or neither. A stale settlement
	// brings about nothing.
	Follow []event.Event
}

// DeadFilter selects dead letters: those of Route (all routes if empty) with an
// event id in IDs (any id if empty).
type DeadFilter struct {
	Route string
	IDs   []string
	// By is who has it done, for the audit trail; may be empty.
	By string
}
