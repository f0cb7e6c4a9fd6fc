package event

import "time"

// Span is a stretch of a source's stream that is missing.
type Span struct {
	// Object is the sObject that the hole is about; empty means everything that
	// the topic carries.
	Object string
	// From is a time at or before the first missing event, Until that of the first
	// event after the hole; Until is zero where it is unknown.
	From, Until time.Time
}
