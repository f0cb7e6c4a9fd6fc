package sqlite

import (
	"bytes"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// room is where a route's events wait, from the first claim on. Before that
// nothing of the route is in memory.
type room struct {
	name    string
	route   int64 // 0 while the route has no events
	ordered bool
	line    line
	// stale asks for a rebuild from the file; generation counts rebuilds.
	stale      bool
	generation int
	// parked are the claims that wait for events, first come first.
	parked []*task
	// atHand is the payload bytes that the line's entries hold.
	atHand int64
}

// rooms are all rooms of the store.
type rooms struct {
	byName  map[string]*room
	byRoute map[int64]*room
	// flying holds the entries that a claim holds, and those whose claim has
	// expired without anyone else claiming them, by sequence number.
	flying map[int64]*entry
	// expiry is no later than the earliest end of a claim.
	expiry int64
	// window overrides the sizes of windows; 0 for the defaults.
	window int
	// atHand is the payload bytes that waiting entries hold, bounded by memory.
	atHand, memory int64
}

func newRooms(memory int64) *rooms {
	return &rooms{byName: map[string]*room{}, byRoute: map[int64]*room{}, flying: map[int64]*entry{}, expiry: forever, memory: memory}
}

// of returns the room of a route in the asked mode.
func (rs *rooms) of(name string, ordered bool) *room {
	r := rs.byName[name]
	if r == nil {
		r = &room{name: name, stale: true}
		rs.byName[name] = r
	}
	if r.line == nil || r.ordered != ordered {
		r.ordered, r.stale = ordered, true
	}
	return r
}

// park lets a claim wait for events.
func (rs *rooms) park(t *task) {
	r := rs.of(t.claim.req.Route, t.claim.req.Ordered)
	r.parked = append(r.parked, t)
}

// unpark returns and forgets all waiting claims.
func (rs *rooms) unpark() (claims []*task) {
	for _, r := range rs.byName {
		for _, t := range r.parked {
			if t.take() {
				claims = append(claims, t)
			}
		}
		r.parked = nil
	}
	return claims
}

// abandon answers all waiting claims with err.
func (rs *rooms) abandon(err error) {
	for _, t := range rs.unpark() {
		t.finish(err)
	}
}

// invalidate asks for a rebuild of every room.
func (rs *rooms) invalidate() {
	for _, r := range rs.byName {
		r.stale = true
	}
}

// claimable reports whether a parked claim could get something, or could know
// after more has been loaded.
func (rs *rooms) claimable(now int64) bool {
	for _, r := range rs.byName {
		if r.waited() && (rs.expiry <= now || r.promising(now)) {
			return true
		}
	}
	return false
}

// idle says how long nothing can change by itself.
func (rs *rooms) idle(now time.Time, poll time.Duration) time.Duration {
	at := forever
	for _, r := range rs.byName {
		if len(r.parked) > 0 && r.line != nil {
			at = min(at, r.line.wake(), rs.expiry)
		}
	}
	if at == forever {
		return poll
	}
	return min(max(time.UnixMicro(at).Sub(now), time.Millisecond), poll)
}

// waited drops the claims whose callers have gone and reports whether any is left.
func (r *room) waited() bool {
	kept := r.parked[:0]
	for _, t := range r.parked {
		if t.state.Load() != taskCancelled {
			kept = append(kept, t)
		}
	}
	clear(r.parked[len(kept):])
	r.parked = kept
	return len(kept) > 0
}

func (r *room) promising(now int64) bool {
	if r.stale || r.line.lost(now) {
		return true
	}
	if _, rows := r.line.hungry(); rows > 0 {
		return true
	}
	return r.line.ready(now)
}

// rebuild begins anew from the file, keeping what claims hold.
func (rs *rooms) rebuild(r *room) {
	if r.ordered {
		r.line = newOrderedLine(either(rs.window, laneWindow))
	} else {
		r.line = newFreeLine(either(rs.window, freeReady))
	}
	if r.route == 0 {
		r.line.loaded(0, true)
	}
	r.stale = false
	r.generation++
	rs.atHand -= r.atHand
	r.atHand = 0
}

// arrive offers the events of a new batch to their room, if there is one. The
// events are their callers': what is kept of them is copied.
func (rs *rooms) arrive(b batch, events []newcomer) {
	r := rs.byRoute[b.route]
	if r == nil {
		if r = rs.byName[events[0].ev.Route]; r == nil {
			return
		}
		r.route = b.route
		rs.byRoute[b.route] = r
	}
	if r.stale {
		return
	}
	for i := range events {
		ev := events[i].ev
		e := &entry{
			seq: b.first + int64(i), batch: b.first, lane: delivery.LaneOf(*ev), accepted: b.accepted, room: r, generation: r.generation,
		}
		if size := int64(len(ev.Data)); r.line.push(e) && rs.atHand+size <= rs.memory {
			kept := *ev
			kept.Data = bytes.Clone(ev.Data)
			e.ev = &kept
			rs.atHand += size
			r.atHand += size
		}
	}
}

// letGo takes the event from an entry that has it at hand.
func (rs *rooms) letGo(e *entry) *event.Event {
	ev := e.ev
	if ev == nil {
		return nil
	}
	e.ev = nil
	if e.generation == e.room.generation {
		rs.atHand -= int64(len(ev.Data))
		e.room.atHand -= int64(len(ev.Data))
	}
	return ev
}

func either(n, otherwise int) int {
	if n != 0 {
		return n
	}
	return otherwise
}

// expire lets entries whose claim has run out wait again.
func (rs *rooms) expire(now int64) {
	if rs.expiry > now {
		return
	}
	rs.expiry = forever
	for seq, e := range rs.flying {
		switch {
		case !e.flying || e.settled:
		case e.until > now:
			rs.expiry = min(rs.expiry, e.until)
		case e.generation != e.room.generation || e.room.stale:
			// Not met by a load yet: the row alone will tell that it was claimed.
			delete(rs.flying, seq)
		default:
			e.flying, e.unanswered, e.due = false, true, 0
			e.room.line.expire(e)
		}
	}
}
