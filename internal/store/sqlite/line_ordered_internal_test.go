package sqlite

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// fill gives a line events of all lanes in turn, but for the rare lanes, which have
// one in ten as many.
func fill(l *orderedLine, events int, rare func(lane int) bool) {
	for i := range l.lanes {
		l.lanes[i].spill = 0
	}
	for seq := int64(1); seq <= int64(events); seq++ {
		lane := int(seq) % delivery.Lanes
		if rare(lane) && int(seq)/delivery.Lanes%10 != 0 {
			continue
		}
		l.push(&entry{seq: seq, lane: lane})
	}
}

// work claims and settles events until nothing is to be had, but for those of stuck
// lanes, which it claims and keeps, and returns how far claims were apart at most, and
// how many events came to their end.
func work(l *orderedLine, stuck func(lane int) bool) (apart int64, ended int) {
	for l.ready(0) {
		taken := l.take(0, 64, 1)
		apart = max(apart, taken[len(taken)-1].seq-taken[0].seq)
		for _, e := range taken {
			e.flying = true
			if !stuck(e.lane) {
				l.drop(e)
				ended++
			}
		}
	}
	return apart, ended
}

func none(int) bool { return false }

// Lanes with few events do not run ahead through the whole backlog: what is claimed
// together lies together.
func TestOrderedLine_LanesKeepTogether(t *testing.T) {
	t.Parallel()
	const events = 10 * delivery.Lanes * 10
	rare := func(lane int) bool { return lane%2 == 0 }
	l := newOrderedLine(events)
	fill(l, events, rare)
	apart, ended := work(l, none)
	if want := events/2 + events/20; ended != want {
		t.Errorf("%d events ended, want %d", ended, want)
	}
	if apart > 2*laneLead {
		t.Errorf("a claim reached over %d events", apart)
	}
}

// Lanes that do not move, or have far more to do, hold nobody back.
func TestOrderedLine_AStuckLaneHoldsNobodyBack(t *testing.T) {
	t.Parallel()
	const perLane = 100
	const events = perLane * delivery.Lanes
	for _, few := range []int{1, 15} {
		stuck := func(lane int) bool { return lane < few }
		l := newOrderedLine(events)
		fill(l, events, none)
		if _, ended := work(l, stuck); ended != events-few*perLane {
			t.Errorf("%d lanes stuck: %d events ended, want %d", few, ended, events-few*perLane)
		}
	}
	l := newOrderedLine(events)
	fill(l, events, none)
	for i := range l.lanes { // 40 lanes have work: nothing is bound
		if i >= 40 {
			l.lanes[i].queue = nil
		}
	}
	if _, ended := work(l, func(lane int) bool { return lane < 20 }); ended != 20*perLane {
		t.Errorf("20 of 40 lanes stuck: %d events ended, want %d", ended, 20*perLane)
	}
}
