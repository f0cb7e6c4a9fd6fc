package sqlite

import (
	"cmp"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

const (
	// laneWindow bounds the entries of one lane in memory. A blocked lane fills
	// its window and then costs nothing more.
	laneWindow = 32
	// laneLoad is how many rows one load of an ordered route reads at most.
	laneLoad = 4096
	// laneLead is how many events a lane may be ahead of the last one, so that what
	// is claimed and settled together lies together in the file.
	laneLead = 8192
	// laneCrowd is how many lanes must have work for them to be kept together.
	laneCrowd = 64
	// laneLag is how many of them may lag behind.
	laneLag = 16
)

// orderedLine is the line of an ordered route: a queue per lane, of which one
// run at a time is handed out.
type orderedLine struct {
	lanes  [delivery.Lanes]lane
	window int
	// from is where the load under way begins. A lane that has more before that in the
	// file takes no part in it: it would miss what is in between.
	from int64
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

// take hands out the oldest events of all lanes.
func (l *orderedLine) take(now int64, limit, run int) []*entry {
	var taken []*entry
	bound := l.bound(now)
	for i := range l.lanes {
		taken = append(taken, l.lanes[i].head(now, bound, run)...)
	}
	// A lane's events stay in sequence, so what is cut off is the end of its run.
	slices.SortFunc(taken, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	taken = taken[:min(limit, len(taken))]
	for _, e := range taken {
		l.lanes[e.lane].flying++
	}
	return taken
}

// bound returns the place beyond which nothing is handed out yet, so that the lanes
// keep together: laneLead beyond the last lane but for laneLag of them. Those may lag
// as far as they like, since a busy or slow key must not hold back the others, and where
// few lanes have work nothing is bound. Sparse lanes would otherwise run ahead through
// the whole backlog, and each commit would touch pages all over it.
func (l *orderedLine) bound(now int64) int64 {
	var heads [delivery.Lanes]int64
	n := 0
	for i := range l.lanes {
		if ln := &l.lanes[i]; len(ln.queue) > 0 && (ln.flying > 0 || ln.queue[0].due <= now) {
			heads[n] = ln.queue[0].seq
			n++
		}
	}
	if n < laneCrowd {
		return forever
	}
	slices.Sort(heads[:n])
	return heads[laneLag] + laneLead
}

// head returns the first entries of the lane that may be handed out, at most run.
func (ln *lane) head(now, bound int64, run int) []*entry {
	if ln.flying > 0 {
		return nil
	}
	n := 0
	for n < run && n < len(ln.queue) && ln.queue[n].due <= now && ln.queue[n].seq <= bound {
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
	bound := l.bound(now)
	for i := range l.lanes {
		if len(l.lanes[i].head(now, bound, 1)) > 0 {
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

// hungry asks for a load once a lane with more in the file has run low, from where
// the lane furthest behind of those goes on. The load serves every lane that has room
// and goes on there or later.
func (l *orderedLine) hungry() (int64, int) {
	l.from = forever
	for i := range l.lanes {
		if ln := &l.lanes[i]; ln.spill != 0 && len(ln.queue) <= l.window/4 {
			l.from = min(l.from, ln.spill)
		}
	}
	if l.from == forever {
		return 0, 0
	}
	return l.from, laneLoad
}

// served reports whether the load under way is for a lane, too.
func (l *orderedLine) served(ln *lane) bool {
	return ln.spill >= max(l.from, 1) && len(ln.queue) < l.window
}

func (l *orderedLine) missing(seq int64, lane int) bool {
	ln := &l.lanes[lane]
	return l.served(ln) && seq >= ln.spill
}

func (l *orderedLine) loaded(to int64, end bool) {
	for i := range l.lanes {
		ln := &l.lanes[i]
		if !l.served(ln) {
			continue
		}
		ln.spill = max(ln.spill, to+1)
		if end {
			ln.spill = 0
		}
	}
}
