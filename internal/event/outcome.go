package event

import "time"

// Verdict is how an attempt ended, in the words of the engine: what to do next
// with the event. It is always explicit, never inferred from an error's type.
type Verdict int

const (
	// Delivered: the destination took the event and answered so.
	Delivered Verdict = iota
	// Retry: this attempt failed and a later one may succeed.
	Retry
	// Reject: the destination judged the event itself; no later attempt can
	// succeed, so the event goes to the dead letters.
	Reject
	// Unavailable: the destination as a whole cannot take events now
	// (connection refused, 503, breaker open). The attempt says nothing about
	// the event and does not count against its schedule.
	Unavailable
)

// String returns the verdict in lower case, as shown to people and in metrics.
func (v Verdict) String() string {
	switch v {
	case Delivered:
		return "delivered"
	case Retry:
		return "retry"
	case Reject:
		return "reject"
	case Unavailable:
		return "unavailable"
	}
	return "unknown"
}

// Outcome is the record of one attempt.
type Outcome struct {
	Verdict Verdict
	// After is the wait the destination asked for (Retry-After); zero means
	// that the route's schedule decides.
	After time.Duration
	// Status is the destination's own code (an HTTP status), 0 if it gave none.
	Status int
	// Happened says whether the destination may have acted on the event.
	Happened Happened
	// Reason is one line for people, without payload or secrets: what went
	// wrong. Empty when delivered.
	Reason string
	// Hint is what a person can do about it; may be empty.
	Hint string
	// Answer is what the destination answered to an event it took; nil unless the
	// destination was built to keep answers and there was one.
	Answer *Answer
}

// Answer is a destination's own words about an event it took. It is payload: it
// appears in no log, error or metric.
type Answer struct {
	ContentType string
	Body        []byte
	// Truncated says that the answer was larger than the bound it was kept under; Body
	// is then not all of it.
	Truncated bool
}
