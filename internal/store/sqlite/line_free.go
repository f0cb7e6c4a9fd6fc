package sqlite

import (
	"cmp"
	"container/heap"
	"slices"
)

// freeReady bounds the entries that an unordered route keeps ready. Four times
// as many are kept of those that wait for their next attempt; the earliest stay.
const freeReady = 8192

// freeLine is the line of an unordered route: by sequence, delayed ones when
// they are due.
type freeLine struct {
	queue   []*entry // rising seq
	returns []*entry // came back and are due at once
	delayed dueHeap
	spill   int64 // lowest sequence number that is only in the file; 0 if none
	// overflow is the earliest due time among delayed entries that only the
	// file still knows; forever if none.
	overflow int64
	window   int
	late     int
}

var _ line = (*freeLine)(nil)

func newFreeLine(window int) *freeLine {
	return &freeLine{spill: 1, overflow: forever, window: window, late: 4 * window}
}

func (l *freeLine) push(e *entry) bool {
	if l.spill == 0 && len(l.queue) >= l.window {
		l.spill = e.seq
	}
	if l.spill != 0 {
		return false
	}
	l.queue = append(l.queue, e)
	return true
}

func (l *freeLine) admit(e *entry) {
	if e.due != 0 {
		l.delay(e)
		return
	}
	l.queue = append(l.queue, e)
}

// delay keeps e until its due time, or leaves the latest ones to the file.
func (l *freeLine) delay(e *entry) {
	heap.Push(&l.delayed, e)
	if len(l.delayed) <= l.late+l.late/4 {
		return
	}
	slices.SortFunc(l.delayed, func(a, b *entry) int { return cmp.Compare(a.due, b.due) })
	for _, cut := range l.delayed[l.late:] {
		l.overflow = min(l.overflow, cut.due)
	}
	clear(l.delayed[l.late:])
	l.delayed = l.delayed[:l.late]
}

func (l *freeLine) adopt(*entry) {}

func (l *freeLine) take(now int64, limit, _ int) []*entry {
	l.ripen(now)
	taken := make([]*entry, 0, min(limit, len(l.returns)+len(l.queue)))
	l.returns = shift(l.returns, limit, &taken)
	l.queue = shift(l.queue, limit, &taken)
	return taken
}

// shift moves entries from the head of queue until taken has limit.
func shift(queue []*entry, limit int, taken *[]*entry) []*entry {
	for len(queue) > 0 && len(*taken) < limit {
		e := queue[0]
		queue[0] = nil
		queue = queue[1:]
		if !e.gone {
			*taken = append(*taken, e)
		}
	}
	return queue
}

// ripen moves what has become due to the returns.
func (l *freeLine) ripen(now int64) {
	for len(l.delayed) > 0 && (l.delayed[0].due <= now || l.delayed[0].gone) {
		if e := heap.Pop(&l.delayed).(*entry); !e.gone {
			l.returns = append(l.returns, e)
		}
	}
	for len(l.returns) > 0 && l.returns[0].gone {
		l.returns = l.returns[1:]
	}
	for len(l.queue) > 0 && l.queue[0].gone {
		l.queue = l.queue[1:]
	}
}

func (l *freeLine) expire(e *entry) { l.back(e) }

// back lets e wait again.
func (l *freeLine) back(e *entry) {
	if e.due != 0 {
		l.delay(e)
		return
	}
	l.returns = append(l.returns, e)
}

func (l *freeLine) drop(e *entry) { e.gone = true }

func (l *freeLine) replace(e, n *entry) {
	l.drop(e)
	l.back(n)
}

func (l *freeLine) ready(now int64) bool {
	l.ripen(now)
	return len(l.returns)+len(l.queue) > 0
}

func (l *freeLine) wake() int64 {
	if len(l.delayed) > 0 {
		return min(l.delayed[0].due, l.overflow)
	}
	return l.overflow
}

// lost: delayed entries that only the file knows may be anywhere in it.
func (l *freeLine) lost(now int64) bool { return l.overflow <= now && len(l.delayed) < l.late/2 }

func (l *freeLine) hungry() (int64, int) {
	if l.spill == 0 || len(l.queue) >= l.window/2 {
		return 0, 0
	}
	return l.spill, l.window - len(l.queue)
}

func (l *freeLine) missing(seq int64, _ int) bool { return l.spill != 0 && seq >= l.spill }

func (l *freeLine) loaded(to int64, end bool) {
	l.spill = to + 1
	if end {
		l.spill = 0
	}
}

// dueHeap orders entries by due time.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*entry)) }
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
