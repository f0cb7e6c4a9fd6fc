package rabbitqueue

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// held is a message that this process holds unacknowledged.
type held struct {
	letter
	seq        int64 // rises in the order of arrival; also the token of a claim
	lane       int
	from       int // the consumer it came on
	delivery   rabbit.Delivery
	history    []delivery.Attempt
	redelivery bool

	claimed bool
	gone    bool // its channel is lost: it cannot be acknowledged and comes again
	dropped bool // taken out of the room
	moved   bool // its successor in another queue is confirmed
	place   int  // in the heap
}

// room is what a route holds in memory, and who may be claimed next. Everything
// in it is also in the broker, unacknowledged.
type room struct {
	ordered bool

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	ready   []*held // unordered, due
	delayed byDue   // unordered, not due
	lanes   map[int]*lane
	turns   []int // ordered: the lanes that have something, in turn
	claimed map[int64]*held
	byID    map[string][]*held // all that are held, by event id
	aside   map[string][]*held // unordered: waiting for a claim of the same id
	ended   recent
	count   int
}

// lane is the events of one lane of an ordered route, in order.
type lane struct {
	items []*held
	busy  int
}

func newRoom(ordered bool) *room {
	return &room{
		ordered: ordered, changed: make(chan struct{}, 1), lanes: map[int]*lane{}, claimed: map[int64]*held{},
		byID: map[string][]*held{}, aside: map[string][]*held{},
	}
}

func (r *room) nudge() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// add takes in messages. It returns those of events that have ended meanwhile.
func (r *room) add(all []*held) (over []*held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range all {
		if r.ended.has(h.event.ID) {
			over = append(over, h)
			continue
		}
		r.byID[h.event.ID] = append(r.byID[h.event.ID], h)
		r.count++
		r.line(h)
	}
	r.nudge()
	return over
}

// line lets a message wait for its claim.
func (r *room) line(h *held) {
	if !r.ordered {
		if h.due.After(time.Now()) {
			heap.Push(&r.delayed, h)
		} else {
			r.ready = append(r.ready, h)
		}
		return
	}
	l := r.lanes[h.lane]
	if l == nil {
		l = &lane{}
		r.lanes[h.lane] = l
		r.turns = append(r.turns, h.lane)
	}
	l.items = append(l.items, h)
}

// take claims up to limit messages, runs of up to run of one lane where order
// matters. If there is nothing it says when something will be due.
func (r *room) take(limit, run int) (taken []*held, due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ordered {
		return r.takeLanes(limit, run)
	}
	now := time.Now()
	for len(r.delayed) > 0 && !r.delayed[0].due.After(now) {
		r.ready = append(r.ready, heap.Pop(&r.delayed).(*held))
	}
	n := 0
	for _, h := range r.ready {
		if len(taken) == limit {
			break
		}
		n++
		switch {
		case h.dropped:
		case r.inFlight(h.event.ID):
			r.aside[h.event.ID] = append(r.aside[h.event.ID], h)
		default:
			r.claim(h)
			taken = append(taken, h)
		}
	}
	r.ready = slices.Delete(r.ready, 0, n)
	if len(r.delayed) > 0 {
		due = r.delayed[0].due
	}
	return taken, due
}

func (r *room) claim(h *held) {
	h.claimed = true
	r.claimed[h.seq] = h
}

// inFlight reports whether a message of the id is claimed.
func (r *room) inFlight(id string) bool {
	return slices.ContainsFunc(r.byID[id], func(h *held) bool { return h.claimed })
}

func (r *room) takeLanes(limit, run int) (taken []*held, due time.Time) {
	now := time.Now()
	for range len(r.turns) {
		if len(taken) >= limit {
			break
		}
		at := r.turns[0]
		r.turns = append(r.turns[1:], at)
		l := r.lanes[at]
		l.items = slices.DeleteFunc(l.items, func(h *held) bool { return h.dropped })
		if len(l.items) == 0 {
			delete(r.lanes, at)
			r.turns = r.turns[:len(r.turns)-1]
			continue
		}
		if l.busy > 0 {
			continue
		}
		for i, h := range l.items {
			if i == run || len(taken) == limit || r.inFlight(h.event.ID) {
				break
			}
			if h.due.After(now) {
				if i == 0 && (due.IsZero() || h.due.Before(due)) {
					due = h.due
				}
				break
			}
			r.claim(h)
			l.busy++
			taken = append(taken, h)
		}
	}
	return taken, due
}

// of returns the claim of a settlement; nil if it is none of ours.
func (r *room) of(seq, token int64) *held {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.claimed[seq]
	if h == nil || h.seq != token {
		return nil
	}
	return h
}

// back lets a claim wait again until due.
func (r *room) back(h *held, due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.due = due
	r.release(h)
	switch {
	case h.gone:
		// The message comes, or has come, again: what we learnt goes to it.
		r.remove(h)
		for _, other := range r.byID[h.event.ID] {
			if other.attempts < h.attempts {
				other.attempts, other.history, other.due = h.attempts, h.history, h.due
			}
		}
	case !r.ordered:
		r.line(h)
	}
	r.unite(h.event.ID)
	r.nudge()
}

// release ends a claim without taking the message out.
func (r *room) release(h *held) {
	delete(r.claimed, h.seq)
	h.claimed = false
	if l := r.lanes[h.lane]; l != nil && r.ordered {
		l.busy--
	}
}

// unite brings back those that waited for a claim of the same id.
func (r *room) unite(id string) {
	waiting := r.aside[id]
	delete(r.aside, id)
	for _, h := range waiting {
		if !h.dropped {
			r.line(h)
		}
	}
}

// out takes a claim out of the room whose message goes elsewhere.
func (r *room) out(h *held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(h)
	r.remove(h)
	r.unite(h.event.ID)
	r.nudge()
}

// end takes a claim out whose event has ended, with all other messages of the
// event that are held; it returns those.
func (r *room) end(h *held) (others []*held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(h)
	r.remove(h)
	r.ended.add(h.event.ID)
	others = slices.Clone(r.byID[h.event.ID])
	for _, o := range others {
		r.remove(o)
	}
	delete(r.aside, h.event.ID)
	r.nudge()
	return others
}

// remove forgets a message; lists let go of it when they meet it.
func (r *room) remove(h *held) {
	if h.dropped {
		return
	}
	h.dropped = true
	r.count--
	id := h.event.ID
	rest := slices.DeleteFunc(r.byID[id], func(o *held) bool { return o == h })
	if len(rest) == 0 {
		delete(r.byID, id)
	} else {
		r.byID[id] = rest
	}
	if !r.ordered && h.place > 0 {
		heap.Remove(&r.delayed, h.place-1)
	}
}

// lose forgets what came on a channel that is gone: those that are claimed stay
// until they are settled. It returns those that nobody had begun.
func (r *room) lose(from int, generation int64) (untouched []*held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*held
	for _, same := range r.byID {
		all = append(all, same...)
	}
	for _, h := range all {
		if h.from != from || h.delivery.Generation() != generation {
			continue
		}
		h.gone = true
		if !h.claimed {
			r.remove(h)
			untouched = append(untouched, h)
		}
	}
	return untouched
}

// goneAmong returns the claims among seqs whose channel is lost.
func (r *room) goneAmong(seqs []int64) map[int64]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[int64]bool{}
	for _, seq := range seqs {
		if h := r.claimed[seq]; h == nil || h.gone {
			out[seq] = true
		}
	}
	return out
}

// state is how many messages are held and when the oldest was accepted.
func (r *room) state() (count int, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, same := range r.byID {
		for _, h := range same {
			if oldest.IsZero() || h.accepted.Before(oldest) {
				oldest = h.accepted
			}
		}
	}
	return r.count, oldest
}

// byDue is a heap of messages that are not due yet.
type byDue []*held

func (b byDue) Len() int           { return len(b) }
func (b byDue) Less(i, j int) bool { return b[i].due.Before(b[j].due) }
func (b byDue) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	b[i].place, b[j].place = i+1, j+1
}

func (b *byDue) Push(x any) {
	h := x.(*held)
	*b = append(*b, h)
	h.place = len(*b)
}

func (b *byDue) Pop() any {
	old := *b
	h := old[len(old)-1]
	h.place = 0
	*b = old[:len(old)-1]
	return h
}

// recentLimit bounds what is remembered of ended ids: those that end between a
// message's look into the register and its way into the room.
const recentLimit = 8192

// recent remembers the last ids.
type recent struct {
	set  map[string]bool
	ring []string
	next int
}

func (r *recent) add(id string) {
	if r.set == nil {
		r.set = map[string]bool{}
	}
	if r.set[id] {
		return
	}
	if len(r.ring) < recentLimit {
		r.ring = append(r.ring, id)
	} else {
		delete(r.set, r.ring[r.next])
		r.ring[r.next] = id
		r.next = (r.next + 1) % recentLimit
	}
	r.set[id] = true
}

func (r *recent) has(id string) bool { return r.set[id] }

// pardon forgets the ends of events that wait again.
func (r *room) pardon(all []*held, known map[string]contract.Known) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range all {
		if k, found := known[h.event.ID]; !found || k.State == delivery.Waiting {
			delete(r.ended.set, h.event.ID)
		}
	}
}
