package contract

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// TrailScope says which routes have an audit trail. The zero value is none.
type TrailScope struct {
	All    bool
	Routes []string
}

// Has reports whether a route has a trail.
func (s TrailScope) Has(route string) bool { return s.All || slices.Contains(s.Routes, route) }

// Any reports whether any route has.
func (s TrailScope) Any() bool { return s.All || len(s.Routes) > 0 }

// Names returns how a store remembers the scope: the routes, or the empty name for
// all. A redrive is entered for every route that ever had a trail, because who redrives
// (the command line on a store) knows no configuration.
func (s TrailScope) Names() []string {
	if s.All {
		return []string{""}
	}
	return s.Routes
}

// TrailLimit is about how many entries one seal or one step of retention takes.
const TrailLimit = 2000

// Acceptance is an event that a broker has confirmed, for the trail.
type Acceptance struct {
	ID, Type string
	// Digest is that of the payload in hexadecimal; empty if it is not known.
	Digest string
	Bytes  int
	At     time.Time
}

// AcceptanceOf describes an event at its acceptance.
func AcceptanceOf(e *event.Event, at time.Time) Acceptance {
	a := Acceptance{ID: e.ID, Type: e.Type, At: at}
	if sum, ok := sealed.Digest(e.Data); ok {
		a.Digest, a.Bytes = hex.EncodeToString(sum[:]), len(e.Data)
		if _, is := sealed.IsSealed(e.Data); is {
			a.Bytes = 0 // the size at rest says nothing
		}
	}
	return a
}

// TrailAccepted is the entry of an acceptance.
func TrailAccepted(a Acceptance, process string) trail.Body {
	return trail.Body{
		Deed: trail.Accepted, Event: a.ID, Type: a.Type, Digest: a.Digest, Bytes: a.Bytes, Ended: moment(a.At), Process: process,
	}
}

// TrailSettled is the entry of the end of a claim; false for a claim that was given
// back without an attempt. number is that of the attempt.
func TrailSettled(id string, number int, st *delivery.Settlement, process string) (trail.Body, bool) {
	if st.Do == delivery.Release && st.Started.IsZero() {
		return trail.Body{}, false
	}
	return trailAttempt(id, deedOf(st.Do), delivery.Attempt{Number: number, Started: st.Started, Ended: st.Ended, Outcome: st.Outcome}, process), true
}

func deedOf(d delivery.Disposition) trail.Deed {
	switch d {
	case delivery.Done:
		return trail.Delivered
	case delivery.Dead:
		return trail.Dead
	}
	return trail.Attempted
}

func trailAttempt(id string, deed trail.Deed, a delivery.Attempt, process string) trail.Body {
	b := trail.Body{
		Deed: deed, Event: id, Attempt: a.Number, Verdict: a.Outcome.Verdict.String(), Status: a.Outcome.Status,
		Reason: a.Outcome.Reason, Started: moment(a.Started), Ended: moment(a.Ended), Process: process,
	}
	if deed != trail.Delivered {
		b.Happened = a.Outcome.Happened.String()
	}
	return b
}

// TrailRedriven is the entry of a redrive.
func TrailRedriven(id, by, process string) trail.Body {
	return trail.Body{Deed: trail.Redriven, Event: id, By: by, Process: process}
}

// TrailEntered is the trail's entry of an entry in the register.
func TrailEntered(e *Entry, process string) trail.Body {
	id := e.Record.Event.ID
	switch {
	case e.Redrive:
		return TrailRedriven(id, e.By, process)
	case e.Record.State == delivery.Delivered:
		a := delivery.Attempt{Number: e.Record.Attempts, Ended: e.Record.Ended}
		if e.Ended != nil {
			a = *e.Ended
		}
		a.Outcome.Verdict = event.Delivered
		return trailAttempt(id, trail.Delivered, a, process)
	}
	deed := trail.Attempted
	if e.Record.State == delivery.DeadState {
		deed = trail.Dead
	}
	var last delivery.Attempt
	if e.Ended != nil {
		last = *e.Ended
	} else if n := len(e.Record.History); n > 0 {
		last = e.Record.History[n-1]
	}
	return trailAttempt(id, deed, last, process)
}

// moment is a time as the trail has it: whole microseconds, nil if there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond)
	return &t
}
