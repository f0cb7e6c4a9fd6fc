package postgres

import (
	"container/list"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

const (
	// recentAge is how long an event is sure of its place in memory. One that is
	// older was probably claimed by another process.
	recentAge = time.Minute
	// recentSize stands for what an event weighs beside its payload.
	recentSize = 400
)

// recent keeps events that this process has just appended until it claims them,
// which saves reading them back. Events never change, so what is kept is true for as
// long as it is committed, and only that is put here. When there is no room the
// newest are not kept: the oldest are claimed next.
type recent struct {
	limit int64

	mu     sync.Mutex // guards all below
	weight int64
	events map[int64]*list.Element // by number
	order  *list.List              // of *kept, the oldest first
}

// kept is an event in memory.
type kept struct {
	seq    int64
	event  event.Event
	until  time.Time
	weight int64
}

func newRecent(limit int64) *recent {
	return &recent{limit: limit, events: map[int64]*list.Element{}, order: list.New()}
}

// put keeps events that have been committed under these numbers. Their payloads
// must be nobody else's to change.
func (r *recent) put(seqs []int64, events []*event.Event, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, seq := range seqs {
		k := &kept{seq: seq, event: *events[i], until: now.Add(recentAge), weight: int64(len(events[i].Data)) + recentSize}
		if !r.room(k.weight, now) {
			return
		}
		k.event.Time = asStored(k.event.Time)
		r.events[seq] = r.order.PushBack(k)
		r.weight += k.weight
	}
}

// room says whether there is room for so much, once what is too old is gone.
func (r *recent) room(weight int64, now time.Time) bool {
	for r.weight+weight > r.limit {
		oldest := r.order.Front()
		if oldest == nil || now.Before(oldest.Value.(*kept).until) {
			return false
		}
		r.drop(oldest)
	}
	return true
}

func (r *recent) drop(e *list.Element) *kept {
	k := r.order.Remove(e).(*kept)
	delete(r.events, k.seq)
	r.weight -= k.weight
	return k
}

// take gives claims the events that are kept, and keeps them no longer: to claim
// one again is rare. Where the others are to be written goes into missing.
func (r *recent) take(claims []delivery.Claimed, missing map[int64]*event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range claims {
		c := &claims[i]
		if e := r.events[c.Seq]; e != nil {
			c.Event = r.drop(e).event
		} else {
			missing[c.Seq] = &c.Event
		}
	}
}

// asStored is a time as it comes back from a column.
func asStored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}
