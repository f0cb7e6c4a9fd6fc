package sqlite

import (
	"cmp"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

const (
	// laneWindow bounds the entries of one lane in memory. A blocked lane fills
	// its window and then costs nothing more.
	laneWindow = 128
	// laneLoad is how many rows one load of an ordered route reads at most.
	laneLoad = 4096
)

// orderedLine is the line of an ordered route: a queue per lane, of which one
// run at a time is handed out.
type orderedLine struct {
	lanes  [delivery.Lanes]lane
	window int
}

// lane holds, in sequence, a prefix of what is unsettled in it: what waits and
// what is handed out. Entries from spill on are only in the file.
type lane struct {
	queue  []*entry
	flying int
	spill  int64 // 0 if all is in memory
}

var _ line = (*orderedLine)(nil)

func newOrderedLine(window int) *orderedLine {
	l := &orderedLine{window: window}
	for i := range l.lanes {
		l.lanes[i].spill = 1
	}
	return l
}

func (l *orderedLine) push(e *entry) bool {
	ln := &l.lanes[e.lane]
	if ln.spill == 0 && len(ln.queue) >= l.window {
		ln.spill = e.seq
	}
	if ln.spill != 0 {
		return false
	}
	ln.queue = append(ln.queue, e)
	return true
}

func (l *orderedLine) admit(e *entry) {
	ln := &l.lanes[e.lane]
	ln.queue = append(ln.queue, e)
	ln.spill = e.seq + 1
}

func (l *orderedLine) adopt(e *entry) {
	l.admit(e)
	l.lanes[e.lane].flying++
}

// take hands out the oldest events of all lanes. Giving the lanes turns instead
// would let the sparse ones run ahead, and each commit would then touch pages all
// over the backlog.
func (l *orderedLine) take(now int64, limit, run int) []*entry {
	var taken []*entry
	for i := range l.lanes {
		taken = append(taken, l.lanes[i].head(now, run)...)
	}
	// A lane's events stay in sequence, so what is cut off is the end of its run.
	slices.SortFunc(taken, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	taken = taken[:min(limit, len(taken))]
	for _, e := range taken {
		l.lanes[e.lane].flying++
	}
	return taken
}

// head returns the first entries of the lane that may be handed out, at most run.
func (ln *lane) head(now int64, run int) []*entry {
	if ln.flying > 0 {
		return nil
	}
	n := 0
	for n < run && n < len(ln.queue) && ln.queue[n].due <= now {
		n++
	}
	return ln.queue[:n]
}

func (l *orderedLine) expire(e *entry) { l.lanes[e.lane].flying-- }

func (l *orderedLine) drop(e *entry) {
	ln := &l.lanes[e.lane]
	i := slices.Index(ln.queue, e)
	if i < 0 {
		return
	}
	if e.flying {
		ln.flying--
	}
	if i == 0 {
		ln.queue[0] = nil
		ln.queue = ln.queue[1:]
		return
	}
	ln.queue = slices.Delete(ln.queue, i, i+1)
}

func (l *orderedLine) replace(e, n *entry) {
	ln := &l.lanes[e.lane]
	if i := slices.Index(ln.queue, e); i >= 0 {
		ln.queue[i] = n
	}
	if e.flying {
		ln.flying--
	}
}

func (l *orderedLine) ready(now int64) bool {
	for i := range l.lanes {
		if len(l.lanes[i].head(now, 1)) > 0 {
			return true
		}
	}
	return false
}

func (l *orderedLine) wake() int64 {
	at := forever
	for i := range l.lanes {
		if ln := &l.lanes[i]; ln.flying == 0 && len(ln.queue) > 0 {
			at = min(at, ln.queue[0].due)
		}
	}
	return at
}

func (l *orderedLine) lost(int64) bool { return false }

// hungry asks for a load once a lane with more in the file has run low. The
// load then serves every lane that has room.
func (l *orderedLine) hungry() (int64, int) {
	low, from := false, forever
	for i := range l.lanes {
		ln := &l.lanes[i]
		if ln.spill == 0 || len(ln.queue) >= l.window {
			continue
		}
		from = min(from, ln.spill)
		low = low || len(ln.queue) <= l.window/4
	}
	if !low {
		return 0, 0
	}
	return from, laneLoad
}

func (l *orderedLine) missing(seq int64, lane int) bool {
	ln := &l.lanes[lane]
	return ln.spill != 0 && seq >= ln.spill && len(ln.queue) < l.window
}

func (l *orderedLine) loaded(to int64, end bool) {
	for i := range l.lanes {
		ln := &l.lanes[i]
		if ln.spill == 0 || len(ln.queue) >= l.window {
			continue
		}
		ln.spill = max(ln.spill, to+1)
		if end {
			ln.spill = 0
		}
	}
}
