package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/roster"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// API is what an operator can ask of a gateway. All methods are safe for
// concurrent use and end when ctx does; their errors are [*Error] where the
// caller can do something about them.
type API interface {
	// Status tells what everything is doing now, since when and why.
	Status(ctx context.Context) (Status, error)
	// Events lists events, newest first, without payloads.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	// Event returns the records of an event id, one per route, with their
	// history; with the payload only if asked. It fails with [ErrNotFound] if
	// the store does not know the id.
	Event(ctx context.Context, id string, payload bool) ([]Event, error)
	// Redrive returns dead letters to waiting.
	Redrive(ctx context.Context, r RedriveRequest) (RedriveResult, error)
	// Audit counts everything anew and holds it against the ledger.
	Audit(ctx context.Context) (AuditReport, error)
	// Alarms lists what an operator must know, the worst first.
	Alarms(ctx context.Context) (AlarmList, error)
	// Load tells what the routes that wait in RabbitMQ have to do and what does it;
	// from a store alone nothing is known.
	Load(ctx context.Context) (LoadList, error)
	// Gaps lists holes in the stream, newest first, of one subscription or of all.
	Gaps(ctx context.Context, subscription string) ([]Gap, error)
	// Gap returns one gap. It fails with [ErrNotFound] if there is none of that number.
	Gap(ctx context.Context, number int64) (Gap, error)
	// ChangeGap does something about a gap and returns it as it is then. It fails
	// with [ErrNotFound] if there is none of that number and with [ErrBadRequest] if
	// the action does not fit its state.
	ChangeGap(ctx context.Context, number int64, action GapAction) (Gap, error)
}

// GapAction is what a person can do about a gap.
type GapAction string

// The actions.
const (
	// RefillGap asks the process that reads the subscription to bring back what a
	// lost gap misses. It begins within some seconds.
	RefillGap GapAction = "refill"
	// AcceptGap takes note of a loss: the gap is not counted as lost any more. A
	// refill that waits is given up.
	AcceptGap GapAction = "accept"
)

// Status is a gateway at one moment. From a store alone (Live is false) only
// what is stored is known: the ledgers and the gaps.
type Status struct {
	Live    bool      `json:"live"`
	At      time.Time `json:"at"`
	Version string    `json:"version,omitempty"`
	// Started is when the process began; it speaks only for itself where
	// several share a store.
	Started       time.Time             `json:"started,omitzero"`
	Ready         bool                  `json:"ready"`
	Reasons       []string              `json:"reasons"`
	Workers       []Worker              `json:"workers"`
	Subscriptions []subscription.Status `json:"subscriptions"`
	// Patterns is how topics that are patterns of custom channels stand; absent where
	// no route has one. Their channels are among the subscriptions.
	Patterns *roster.Status `json:"patterns,omitempty"`
	Routes   []RouteStatus  `json:"routes"`
	OpenGaps int            `json:"open_gaps"`
	// Alarms are those that are active, the worst first.
	Alarms []watch.Alarm `json:"alarms"`
	// Budget is how the org's API requests are used; null when only a store was asked.
	Budget *budget.Status `json:"budget"`
	// Broker is how RabbitMQ stands; absent where no route needs it.
	Broker *Broker `json:"broker,omitempty"`
	// Scaling is how the types of process stand whose number follows the load.
	Scaling []scale.Status `json:"scaling,omitempty"`
}

// Worker is one long-running part of the process.
type Worker struct {
	Name  string      `json:"name"`
	State WorkerState `json:"state"`
	Since time.Time   `json:"since,omitzero"`
	Why   string      `json:"why,omitempty"`
}

// WorkerState is how a worker stands.
type WorkerState string

// The states of a worker. Only failed workers make the process unready: one
// that restarts is doing its job.
const (
	WorkerRunning    WorkerState = "running"
	WorkerRestarting WorkerState = "restarting"
	WorkerStopped    WorkerState = "stopped"
	WorkerFailed     WorkerState = "failed"
)

// RouteStatus is a route's dispatcher and its account.
type RouteStatus struct {
	Route string `json:"route"`
	// Activity is running, paused or halted; unknown when only the store was read.
	Activity    string    `json:"activity"`
	Since       time.Time `json:"since,omitzero"`
	Why         string    `json:"why,omitempty"`
	Hint        string    `json:"hint,omitempty"`
	InFlight    int       `json:"in_flight"`
	Concurrency int       `json:"concurrency"`
	NextProbe   time.Time `json:"next_probe,omitzero"`
	Ledger      Ledger    `json:"ledger"`
}

// ActivityUnknown is the activity of a route whose gateway was not asked.
const ActivityUnknown = "unknown"

// Ledger is the account of a route: accepted = delivered + dead + waiting.
type Ledger struct {
	Route         string    `json:"route"`
	Accepted      int64     `json:"accepted"`
	Delivered     int64     `json:"delivered"`
	Dead          int64     `json:"dead"`
	Waiting       int64     `json:"waiting"`
	Redelivered   int64     `json:"redelivered"`
	Filtered      int64     `json:"filtered"`
	Duplicates    int64     `json:"duplicates"`
	OldestWaiting time.Time `json:"oldest_waiting,omitzero"`
}

// Limits of a listing.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// EventQuery selects events for a listing.
type EventQuery struct {
	// Route and State select; empty means all.
	Route string
	State string
	// Before is the Next of the page before; 0 starts with the newest.
	Before int64
	// Limit is the most events in the page; 0 means [DefaultLimit].
	Limit int
}

// EventPage is a piece of a listing.
type EventPage struct {
	Events []Event `json:"events"`
	// Next continues the listing as Before; 0 at its end.
	Next int64 `json:"next,omitempty"`
}

// Event is an event's record for one route.
type Event struct {
	Seq         int64     `json:"seq"`
	ID          string    `json:"id"`
	Route       string    `json:"route"`
	Type        string    `json:"type"`
	Source      string    `json:"source"`
	Subject     string    `json:"subject,omitempty"`
	Key         string    `json:"key,omitempty"`
	Time        time.Time `json:"time,omitzero"`
	Refilled    bool      `json:"refilled,omitempty"`
	State       string    `json:"state"`
	Accepted    time.Time `json:"accepted"`
	Attempts    int       `json:"attempts"`
	Redelivered int       `json:"redelivered"`
	Due         time.Time `json:"due,omitzero"`
	Ended       time.Time `json:"ended,omitzero"`
	LastOutcome *Outcome  `json:"last_outcome,omitempty"`
	// History lists the failed attempts that were recorded, oldest first; only in single events.
	History []Attempt `json:"history,omitempty"`
	// Payload is there only if it was asked for and retention has not removed it.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Outcome is how an attempt ended.
type Outcome struct {
	Verdict  string `json:"verdict"`
	Status   int    `json:"status,omitempty"`
	Happened string `json:"happened"`
	Reason   string `json:"reason,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

// Attempt is one recorded attempt.
type Attempt struct {
	Number  int       `json:"number"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Outcome Outcome   `json:"outcome"`
}

// RedriveRequest selects dead letters to send again: those with an id in IDs,
// or, with All, every one; of one route if Route is given.
type RedriveRequest struct {
	IDs   []string `json:"ids,omitempty"`
	Route string   `json:"route,omitempty"`
	All   bool     `json:"all,omitempty"`
	// By is who asks, as far as the caller says; it goes into the audit trail.
	By string `json:"by,omitempty"`
}

// RedriveResult is what a redrive did.
type RedriveResult struct {
	Moved int `json:"moved"`
}

// AuditReport is the result of an audit.
type AuditReport struct {
	At time.Time `json:"at"`
	// AddsUp is true when there is no finding.
	AddsUp   bool      `json:"adds_up"`
	Findings []Finding `json:"findings"`
	Ledgers  []Ledger  `json:"ledgers"`
	// OpenGaps and LostGaps count holes in the stream that are not closed, and
	// those that were given up. They are no findings: they are accounted for.
	OpenGaps int `json:"open_gaps"`
	LostGaps int `json:"lost_gaps"`
}

// Finding is one sum that does not add up.
type Finding struct {
	Route string `json:"route,omitempty"`
	What  string `json:"what"`
}

// AlarmList is what an operator must know at one moment.
type AlarmList struct {
	// Live says that a running gateway answered; otherwise these are the last words of
	// one that has gone.
	Live   bool          `json:"live"`
	At     time.Time     `json:"at"`
	Alarms []watch.Alarm `json:"alarms"`
}

// Gap is a hole in a subscription's stream.
type Gap struct {
	Number       int64     `json:"number"`
	Subscription string    `json:"subscription"`
	Object       string    `json:"object,omitempty"`
	State        string    `json:"state"`
	Cause        string    `json:"cause"`
	Detail       string    `json:"detail,omitempty"`
	From         time.Time `json:"from,omitzero"`
	Until        time.Time `json:"until,omitzero"`
	Opened       time.Time `json:"opened"`
	Closed       time.Time `json:"closed,omitzero"`
	// Began and Filled are when the refill began and when it was complete.
	Began  time.Time `json:"began,omitzero"`
	Filled time.Time `json:"filled,omitzero"`
	// Read counts the events that the refill brought, Refilled those that were new.
	Read     int64 `json:"read"`
	Refilled int64 `json:"refilled"`
}
