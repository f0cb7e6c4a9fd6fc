package postgres

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// found says which of the numbers are in memory, and takes them out.
func found(r *recent, seqs ...int64) (n int) {
	claims := make([]delivery.Claimed, len(seqs))
	for i, seq := range seqs {
		claims[i].Seq = seq
	}
	missing := map[int64]*event.Event{}
	r.take(claims, missing)
	for i, c := range claims {
		if missing[c.Seq] == nil && c.Event.ID != "" {
			n++
		} else if missing[c.Seq] != &claims[i].Event {
			return -1
		}
	}
	return n
}

func TestRecentIsBoundedAndKeepsTheOldest(t *testing.T) {
	t.Parallel()
	r, now := newRecent(3*(recentSize+10)), time.Now()
	e := &event.Event{ID: "a", Data: make([]byte, 10)}
	r.put([]int64{1, 2, 3, 4}, []*event.Event{e, e, e, e}, now)
	if n := found(r, 4); n != 0 {
		t.Errorf("an event is kept for which there was no room: %d", n)
	}
	if n := found(r, 1, 2); n != 2 {
		t.Errorf("found %d of the 2 oldest", n)
	}
	if n := found(r, 1, 2); n != 0 {
		t.Errorf("found %d that had been taken", n)
	}
	r.put([]int64{5, 6}, []*event.Event{e, e}, now)
	if n := found(r, 3, 5, 6); n != 3 {
		t.Errorf("found %d of 3 once there was room", n)
	}
	if r.weight != 0 || len(r.events) != 0 || r.order.Len() != 0 {
		t.Errorf("empty memory holds %d bytes, %d events, %d in order", r.weight, len(r.events), r.order.Len())
	}
}

func TestRecentForgetsWhatNobodyHereClaims(t *testing.T) {
	t.Parallel()
	r, now := newRecent(2*recentSize), time.Now()
	e := &event.Event{ID: "a"}
	r.put([]int64{1, 2}, []*event.Event{e, e}, now)
	r.put([]int64{3}, []*event.Event{e}, now.Add(recentAge-1))
	if n := found(r, 3); n != 0 {
		t.Error("a young event made room")
	}
	r.put([]int64{4}, []*event.Event{e}, now.Add(recentAge))
	if n := found(r, 1); n != 0 {
		t.Error("the oldest event did not make room")
	}
	if n := found(r, 2, 4); n != 2 {
		t.Errorf("found %d of 2", n)
	}
}
