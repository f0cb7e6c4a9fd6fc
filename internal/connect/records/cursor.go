package records

import (
	"encoding/json"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// cursor is where a refill stands, between two batches.
type cursor struct {
	// Object is the number of the object being read; all before it are done.
	Object int   `json:"object"`
	Phase  phase `json:"phase,omitempty"`
	// Next is the path of the next REST page.
	Next string `json:"next,omitempty"`
	// Job is a Bulk job, Locator that of the page being read, Skip how many of its
	// rows are done.
	Job     string `json:"job,omitempty"`
	Locator string `json:"locator,omitempty"`
	Skip    int    `json:"skip,omitempty"`
}

// phase is what is being read of an object.
type phase string

const (
	// phaseStart: nothing was asked yet.
	phaseStart phase = ""
	phaseREST  phase = "rest"
	phaseBulk  phase = "bulk"
	// phaseDeleted reads the deletions, all at once: entries may vanish from the
	// list, so no place in it would be good for long.
	phaseDeleted phase = "deleted"
)

func parseCursor(p event.Position) (cursor, error) {
	var c cursor
	if p == nil {
		return c, nil
	}
	err := json.Unmarshal(p, &c)
	return c, err
}

func (c cursor) position() event.Position {
	text, _ := json.Marshal(c) // numbers and texts always marshal
	return text
}
