package bus

import (
	"time"

	"github.com/google/uuid"
)

// Event is one event on the bus. It is immutable; readers share it.
type Event struct {
	Position Position
	ID       string // a UUID; two copies of a duplicated event share it
	SchemaID string
	Payload  []byte
	Headers  []Header
	At       time.Time
	// Duplicate marks the second copy that the duplicate-delivery fault made.
	Duplicate bool
}

// Header is a header that the publisher set; it travels to every subscriber.
type Header struct {
	Key   string
	Value []byte
}

// Draft is an event that has no place on the bus yet.
type Draft struct {
	// ID is the publisher's id for the event. A UUID becomes the event's id; with
	// anything else the bus makes one.
	ID       string
	SchemaID string
	Payload  []byte
	Headers  []Header
}

func (d *Draft) eventID() string {
	// Parse also takes braces and the URN form, which are not how an id is spelled.
	if _, err := uuid.Parse(d.ID); err == nil && len(d.ID) == 36 {
		return d.ID
	}
	return uuid.NewString()
}
