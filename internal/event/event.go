// Package event is the floor of Sallyport: the words that every other room
// uses to speak of an event on its way from a source to a destination.
//
// It owns no behaviour beyond the types, imports only the standard library and
// is imported by everyone. The one invariant a stranger would break: an
// [Event.ID] is given once, where the event enters, and never changes again;
// not by a retry, a refill, a redrive or a change of pattern.
package event

import "time"

// Event is one fact on its way to the application, in the shape of a
// CloudEvents 1.0 event (https://github.com/cloudevents/spec). Times are UTC.
type Event struct {
	// ID is stable across redelivery: the bus's event UUID, the caller's
	// Idempotency-Key, or a ULID.
	ID string
	// Source is "salesforce/<orgId>/<topic or route>", without the leading slash of a topic.
	Source string
	// Type is "com.salesforce.event.<Name__e>" or
	// "com.salesforce.change.<Object>.<create|update|delete|undelete>".
	Type string
	// Subject is the 18-character record Id, or empty.
	Subject string
	// Time is when the event happened: commit time of a change, CreatedDate of a platform event.
	Time time.Time
	// Key orders: events of one route with equal keys are delivered one after
	// another where the route asks for order. Empty means no key.
	Key string
	// OrgID is the 18-character organization Id.
	OrgID string
	// Route is the name of the route the event was accepted for; empty until then.
	Route string
	// Refilled says that the event was rebuilt from the record APIs to close a gap.
	Refilled bool
	// TraceParent is the W3C trace context the event arrived with or was given on arrival.
	TraceParent string
	// Data is the payload: plain JSON with Salesforce field names.
	Data []byte
}

// TypeUndecodable is the type that a source gives an event whose payload it
// could not decode. Such an event is accepted like any other, so that it is not lost, and
// becomes a dead letter on its way to the destination, so that a person sees it.
const TypeUndecodable = "com.salesforce.undecodable"

// TypeTransaction is the type of an event that stands for the changes of one
// Salesforce transaction on one topic, for routes that ask for them together. Its data
// is {"transactionKey", "commitTimestamp", "commitUser", "firstSequence",
// "lastSequence", "last", "count", "changes": [{"id", "type", "subject", "time",
// "data"}]}. A transaction longer than the route's bound comes as several, of which
// only the last says so.
const TypeTransaction = "com.salesforce.change.transaction"

// Position is a place in a source's stream: opaque bytes that only the source
// understands, exclusive (the stream resumes strictly after it). Nil means "no
// position yet".
type Position []byte
