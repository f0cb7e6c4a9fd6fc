package cometd

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// The replay values that are no ids.
const (
	replayTip      int64 = -1
	replayEarliest int64 = -2
)

// positionSize is the length of a position that comes from a number: the form
// in which the Pub/Sub API gives the same place, so that a route may move from one
// transport to the other.
const positionSize = 10

// Position returns the place after the event with that replay id.
func Position(replayID int64) event.Position {
	p := make(event.Position, positionSize)
	binary.BigEndian.PutUint64(p, uint64(replayID)) // ids are not negative
	return p
}

// ParsePosition returns the replay id of a position: the first eight bytes, of
// eight or of ten with two zeros after them. That is how the Pub/Sub API's ids
// have been seen, not what is promised of them; any other form is refused with
// event.ErrPositionRefused, so that a guess never skips events.
func ParsePosition(p event.Position) (int64, error) {
	if len(p) == 8 || len(p) == positionSize && p[8] == 0 && p[9] == 0 {
		if n := int64(binary.BigEndian.Uint64(p)); n >= 0 { // checked
			return n, nil
		}
	}
	return 0, &event.Error{
		Op: "read position", Healing: event.Permanent, Happened: event.HappenedNo,
		Hint: "the position comes from another transport and has no number: move the route back, or resubscribe at the earliest event",
		Err:  fmt.Errorf("%w: %d bytes that are no number of the Streaming API", event.ErrPositionRefused, len(p)),
	}
}

// RawEvent is one event as it came: the payload is JSON of the Streaming API.
type RawEvent struct {
	// ID is the event's UUID, the same on every delivery and over the Pub/Sub
	// API; empty where the server gives none.
	ID       string
	SchemaID string
	// ReplayID is the event's place, to be trusted if Placed.
	ReplayID int64
	Placed   bool
	// Payload is the event's own object; nil if the data has none. Of a PushTopic it is
	// the record, of a generic channel a text.
	Payload json.RawMessage
	// Created is the time of an event of a PushTopic or a generic channel, which tell it
	// beside the payload; zero for others. Change is what happened to a PushTopic's
	// record: created, updated, deleted or undeleted.
	Created time.Time
	Change  string
	// Data is all that came, in which Payload lies.
	Data json.RawMessage
}

// envelope is the data of an event. The id's key has been seen in two spellings,
// which encoding/json does not tell apart.
type envelope struct {
	Schema  json.RawMessage `json:"schema"`
	Payload json.RawMessage `json:"payload"`
	SObject json.RawMessage `json:"sobject"`
	Event   struct {
		EventUUID string    `json:"EventUuid"`
		ReplayID  *replayID `json:"replayId"`
		Created   string    `json:"createdDate"`
		Type      string    `json:"type"`
	} `json:"event"`
}

// replayID is a number, or the same in quotes.
type replayID int64

// UnmarshalJSON reads a whole number that is not negative.
func (r *replayID) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	if err != nil || n < 0 {
		return errors.New("replay id is no number")
	}
	*r = replayID(n)
	return nil
}

// newRawEvent opens the envelope. What cannot be read of it is left empty: an
// event is never refused here.
func newRawEvent(data json.RawMessage) RawEvent {
	e := RawEvent{Data: data}
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			return e
		}
	}
	_ = json.Unmarshal(env.Schema, &e.SchemaID) // a schema of another kind is none
	e.ID, e.Payload = env.Event.EventUUID, env.Payload
	if at, err := time.Parse(time.RFC3339, env.Event.Created); err == nil {
		e.Created = at.UTC()
		if len(env.SObject) > 0 {
			e.Payload, e.Change = env.SObject, env.Event.Type
		}
	}
	if env.Event.ReplayID != nil {
		e.ReplayID, e.Placed = int64(*env.Event.ReplayID), true
	}
	return e
}

// stamps are the places where an event tells its time.
type stamps struct {
	CreatedDate string `json:"CreatedDate"`
	Header      *struct {
		CommitTimestamp int64 `json:"commitTimestamp"`
	} `json:"ChangeEventHeader"`
}

// time returns the commit time of a change or CreatedDate of a platform event.
func (e *RawEvent) time() (time.Time, bool) {
	if !e.Created.IsZero() {
		return e.Created, true
	}
	var s stamps
	if json.Unmarshal(e.Payload, &s) != nil {
		return time.Time{}, false
	}
	if s.Header != nil {
		return time.UnixMilli(s.Header.CommitTimestamp).UTC(), s.Header.CommitTimestamp != 0
	}
	at, err := time.Parse(time.RFC3339, s.CreatedDate)
	return at.UTC(), err == nil
}

// maxSeen is how many events per topic are remembered to recognise duplicates;
// they come at the seam between replay and live, so that is the length of a seam.
const maxSeen = 4096

// seen remembers the last events of a topic.
type seen struct {
	seed  maphash.Seed
	marks map[mark]struct{}
	ring  []mark
	next  int
}

// mark is an event: its place and a digest of all that came, because several
// events may share one place.
type mark struct {
	replayID int64
	digest   uint64
}

func newSeen() seen {
	return seen{seed: maphash.MakeSeed(), marks: map[mark]struct{}{}}
}

// add remembers an event and reports whether it is new.
func (s *seen) add(e *RawEvent) bool {
	m := mark{e.ReplayID, maphash.Bytes(s.seed, e.Data)}
	if _, known := s.marks[m]; known {
		return false
	}
	s.marks[m] = struct{}{}
	if len(s.ring) < maxSeen {
		s.ring = append(s.ring, m)
		return true
	}
	delete(s.marks, s.ring[s.next])
	s.ring[s.next] = m
	s.next = (s.next + 1) % maxSeen
	return true
}
