package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// Register is the store's share in routes whose events wait in a broker: the
// accounts of those routes, and what became of each event by id. The events
// themselves, with their payloads, are the broker's.
//
// Everything is safe for concurrent use, also in several processes on one
// store; what returns without error is durable.
type Register interface {
	// Post enters postings in one transaction and says of each entry, in the
	// order given, whether it was entered: an end is entered once per event, and
	// nothing but a redrive follows an end (a dead letter may yet be delivered
	// by a copy of it).
	Post(ctx context.Context, postings []Posting) ([][]bool, error)
	// Look returns what is known of ids of a route.
	Look(ctx context.Context, route string, ids []string) (map[string]Known, error)
	// Accounts returns the account of every route that has one, by name.
	Accounts(ctx context.Context) ([]Account, error)
	// AuditRegister counts the entries anew and returns what does not add up with the accounts.
	AuditRegister(ctx context.Context) ([]delivery.Finding, error)
	// ListRegistered is [delivery.Archive.List] on the register.
	ListRegistered(ctx context.Context, f delivery.ListFilter) ([]delivery.Record, error)
	// FindRegistered is [delivery.Archive.Find] on the register; records have no payload.
	FindRegistered(ctx context.Context, id string) ([]delivery.Record, error)
}

// Posting is what happened on one route.
type Posting struct {
	Route string
	// Confirmed counts messages that the broker has confirmed at acceptance,
	// Duplicates further copies of an event that were taken out, Redelivered attempts
	// after one without a recorded answer. Each is added to the account.
	Confirmed, Duplicates, Redelivered int64
	Entries                            []Entry
	// Accepted are confirmed messages, for the audit trail; only of routes that have one.
	Accepted []Acceptance
}

// Entry is how one event stands now.
type Entry struct {
	// Record tells the event (without its data) and its state: Waiting after a
	// failed attempt or a redrive, Delivered, or DeadState.
	Record delivery.Record
	// Copy names the message that came to this, and Digest the content of it.
	Copy   string
	Digest []byte
	// Redrive lets a dead letter wait again, By tells who had it done.
	Redrive bool
	By      string
	// Ended is the attempt that came to this end, for the audit trail; nil if that is
	// the last of the record's history or there is none.
	Ended *delivery.Attempt
}

// Known is what the register knows of an event.
type Known struct {
	State  delivery.State
	Copy   string
	Digest []byte
	// Elsewhere: the event was accepted where the route waits besides the broker,
	// and is delivered from there. Of the record then only State and Accepted are known.
	Elsewhere bool
	// Record is complete but for its data, unless Elsewhere.
	Record delivery.Record
}

// Account is the running account of a route in the broker: the messages put in
// are delivered, dead, found to be duplicates, or still there.
type Account struct {
	Route                                               string
	Confirmed, Delivered, Dead, Duplicates, Redelivered int64
	// Purged counts delivered events whose entries retention has removed.
	Purged int64
}

// The numbers that stand for states in a register's table.
const (
	RegisterWaiting   = 0
	RegisterDelivered = 1
	RegisterDead      = 2
)

// RegisterState is the number of a state.
func RegisterState(s delivery.State) int {
	switch s {
	case delivery.Delivered:
		return RegisterDelivered
	case delivery.DeadState:
		return RegisterDead
	default:
		return RegisterWaiting
	}
}

// StateOfRegister is the state of a number.
func StateOfRegister(n int) delivery.State {
	switch n {
	case RegisterDelivered:
		return delivery.Delivered
	case RegisterDead:
		return delivery.DeadState
	default:
		return delivery.Waiting
	}
}

// Change is what an entry changes, given how the event stood before (a number
// of [RegisterState], or -1 for unknown).
type Change struct {
	Enter           bool
	Delivered, Dead int64
}

// ChangeOf decides what becomes of an entry; it is the one rule of the register.
func ChangeOf(e *Entry, before int) Change {
	switch after := RegisterState(e.Record.State); {
	case before == RegisterDelivered:
		return Change{} // the end
	case before == RegisterDead && after == RegisterDelivered:
		return Change{Enter: true, Delivered: 1, Dead: -1}
	case before == RegisterDead && after == RegisterWaiting && e.Redrive:
		return Change{Enter: true, Dead: -1}
	case before == RegisterDead:
		return Change{}
	case after == RegisterDelivered:
		return Change{Enter: true, Delivered: 1}
	case after == RegisterDead:
		return Change{Enter: true, Dead: 1}
	default:
		return Change{Enter: true}
	}
}

// registered is the form in which a record is kept. Its names are short because
// there is one per event.
type registered struct {
	Source   string          `json:"s,omitempty"`
	Type     string          `json:"t,omitempty"`
	Subject  string          `json:"u,omitempty"`
	Time     time.Time       `json:"e,omitzero"`
	Key      string          `json:"k,omitempty"`
	Org      string          `json:"o,omitempty"`
	Refilled bool            `json:"f,omitempty"`
	Trace    string          `json:"p,omitempty"`
	Accepted time.Time       `json:"a,omitzero"`
	Due      time.Time       `json:"d,omitzero"`
	Ended    time.Time       `json:"n,omitzero"`
	Attempts int             `json:"c,omitempty"`
	Again    int             `json:"r,omitempty"`
	History  []registeredTry `json:"h,omitempty"`
}

type registeredTry struct {
	Number   int           `json:"n"`
	Started  time.Time     `json:"s,omitzero"`
	Ended    time.Time     `json:"e,omitzero"`
	Verdict  int           `json:"v"`
	Status   int           `json:"c,omitempty"`
	Happened int           `json:"y,omitempty"`
	After    time.Duration `json:"a,omitempty"`
	Reason   string        `json:"r,omitempty"`
	Hint     string        `json:"h,omitempty"`
}

// EncodeRegistered writes a record for the register, without its data, route, id,
// state and number.
func EncodeRegistered(r *delivery.Record) ([]byte, error) {
	e := &r.Event
	b := registered{
		Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time, Key: e.Key, Org: e.OrgID, Refilled: e.Refilled, Trace: e.TraceParent,
		Accepted: r.Accepted, Due: r.Due, Ended: r.Ended, Attempts: r.Attempts, Again: r.Redelivered,
	}
	for _, a := range r.History {
		o := a.Outcome
		b.History = append(b.History, registeredTry{
			Number: a.Number, Started: a.Started, Ended: a.Ended, Verdict: int(o.Verdict), Status: o.Status,
			Happened: int(o.Happened), After: o.After, Reason: o.Reason, Hint: o.Hint,
		})
	}
	return json.Marshal(b)
}

// DecodeRegistered reads what [EncodeRegistered] wrote.
func DecodeRegistered(seq int64, route, id string, state int, data []byte) (delivery.Record, error) {
	var b registered
	if err := json.Unmarshal(data, &b); err != nil {
		return delivery.Record{}, fmt.Errorf("read entry of event %s: %w", id, err)
	}
	r := delivery.Record{
		Seq: seq, State: StateOfRegister(state), Accepted: b.Accepted, Due: b.Due, Ended: b.Ended, Attempts: b.Attempts, Redelivered: b.Again,
		Event: event.Event{
			ID: id, Route: route, Source: b.Source, Type: b.Type, Subject: b.Subject, Time: b.Time, Key: b.Key, OrgID: b.Org,
			Refilled: b.Refilled, TraceParent: b.Trace,
		},
	}
	for _, a := range b.History {
		o := event.Outcome{
			Verdict: event.Verdict(a.Verdict), Status: a.Status, Happened: event.Happened(a.Happened), After: a.After, Reason: a.Reason, Hint: a.Hint,
		}
		r.History = append(r.History, delivery.Attempt{Number: a.Number, Started: a.Started, Ended: a.Ended, Outcome: o})
		r.LastOutcome = o
	}
	return r, nil
}

// Passes splits entries so that none holds an id twice: a statement that writes
// many rows cannot write one of them twice.
func Passes(entries []Entry) [][]int {
	var out [][]int
	seen := map[string]int{} // passes that have the id
	for i := range entries {
		id := entries[i].Record.Event.ID
		pass := seen[id]
		seen[id]++
		if pass == len(out) {
			out = append(out, nil)
		}
		out[pass] = append(out[pass], i)
	}
	return out
}

// CompareRegister holds an account against the entries counted anew.
func CompareRegister(route string, delivered, dead, deliveredEntries, deadEntries int64) (out []delivery.Finding) {
	if delivered != deliveredEntries {
		out = append(out, delivery.Finding{Route: route, What: fmt.Sprintf("the account says %d delivered, the register has entries of %d", delivered, deliveredEntries)})
	}
	if dead != deadEntries {
		out = append(out, delivery.Finding{Route: route, What: fmt.Sprintf("the account says %d dead, the register has entries of %d", dead, deadEntries)})
	}
	return out
}

// RegisterFilter translates the state of a listing's filter: -1 for all. The register
// does not know what is in flight.
func RegisterFilter(s delivery.State) (state int, ok bool) {
	switch s {
	case "":
		return -1, true
	case delivery.InFlight:
		return 0, false
	default:
		return RegisterState(s), true
	}
}
