package control

import (
	"encoding/json"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// The views below turn the engines' types into the contract's. They are
// separate so that an engine may change without changing what scripts read.

func eventView(r delivery.Record, payload bool) Event {
	out := Event{
		Seq: r.Seq, ID: r.Event.ID, Route: r.Event.Route, Type: r.Event.Type, Source: r.Event.Source,
		Subject: r.Event.Subject, Key: r.Event.Key, Time: r.Event.Time, Refilled: r.Event.Refilled,
		State: string(r.State), Accepted: r.Accepted, Attempts: r.Attempts, Redelivered: r.Redelivered,
		Due: r.Due, Ended: r.Ended,
	}
	if r.LastOutcome != (event.Outcome{}) {
		o := outcomeView(r.LastOutcome)
		out.LastOutcome = &o
	}
	for _, a := range r.History {
		out.History = append(out.History, Attempt{Number: a.Number, Started: a.Started, Ended: a.Ended, Outcome: outcomeView(a.Outcome)})
	}
	if payload && len(r.Event.Data) > 0 {
		out.Payload = payloadView(r.Event.Data)
	}
	return out
}

// payloadView keeps an answer valid whatever the store holds: what is not JSON
// is shown as a JSON text.
func payloadView(data []byte) json.RawMessage {
	if json.Valid(data) {
		return data
	}
	text, err := json.Marshal(string(data))
	if err != nil {
		return json.RawMessage(`null`)
	}
	return text
}

func outcomeView(o event.Outcome) Outcome {
	return Outcome{Verdict: o.Verdict.String(), Status: o.Status, Happened: o.Happened.String(), Reason: o.Reason, Hint: o.Hint}
}

func ledgerView(l delivery.Ledger) Ledger {
	return Ledger{
		Route: l.Route, Accepted: l.Accepted, Delivered: l.Delivered, Dead: l.Dead, Waiting: l.Waiting,
		Redelivered: l.Redelivered, Filtered: l.Filtered, Duplicates: l.Duplicates, OldestWaiting: l.OldestWaiting,
	}
}

func gapView(g subscription.Gap) Gap {
	return Gap{
		Number: g.Number, Subscription: g.Subscription, State: string(g.State), Cause: g.Cause, Detail: g.Detail,
		From: g.From, Until: g.Until, Opened: g.Opened, Closed: g.Closed, Refilled: g.Refilled,
		Object: g.Object, Began: g.Began, Filled: g.Filled, Read: g.Read,
	}
}

func countGaps(gaps []subscription.Gap) (open, lost int) {
	for _, g := range gaps {
		switch {
		case !g.State.Ended():
			open++
		case g.State == subscription.GapLost:
			lost++
		}
	}
	return open, lost
}
