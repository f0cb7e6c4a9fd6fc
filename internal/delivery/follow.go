package delivery

import (
	"runtime/debug"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// followers asks what a delivered event brings about. The event has been
// delivered, whatever becomes of that question, so a panic costs the followers and
// not the delivery: sending the event again would not cure the code.
func (s *session) followers(c *Claimed, o event.Outcome) (follow []event.Event) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("reading a delivery's answer panicked, what it asks for is lost", "event_id", c.Event.ID, "stack", string(debug.Stack()))
			follow = nil
		}
	}()
	return s.follow(c.Event, o)
}

// tell reports the final ends among settlements that have become durable, and
// lets go of their events.
func (s *session) tell(settlements []Settlement, refs []ref, stale []Settlement) {
	if s.settled == nil {
		return
	}
	late := make(map[int64]bool, len(stale))
	for i := range stale {
		late[stale[i].Seq] = true
	}
	for i := range settlements {
		end := &settlements[i]
		if end.Do != Done && end.Do != Dead {
			continue
		}
		c := &refs[i].claims[refs[i].index]
		if !late[end.Seq] {
			s.tellOne(c.Event, end.Outcome)
		}
		c.Event = event.Event{}
	}
}

func (s *session) tellOne(e event.Event, o event.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("telling of a delivery's end panicked", "event_id", e.ID, "stack", string(debug.Stack()))
		}
	}()
	s.settled(e, o)
}
