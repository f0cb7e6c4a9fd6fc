package budget

import (
	"slices"
	"time"
)

// grants are the requests that were allowed since the org's last word, which
// does not count them yet.
type grants struct {
	list []grant // the oldest first, one per second
	sum  int64
}

type grant struct {
	at time.Time
	n  int64
}

func (g *grants) add(now time.Time, n int64) {
	g.sum += n
	if last := len(g.list) - 1; last >= 0 && now.Sub(g.list[last].at) < time.Second {
		g.list[last].n += n
		return
	}
	g.list = append(g.list, grant{now, n})
}

// clear forgets all: the org has just spoken to this process.
func (g *grants) clear() { g.list, g.sum = g.list[:0], 0 }

// until forgets what was allowed up to a time, at which the org spoke to another process.
func (g *grants) until(at time.Time) {
	g.list = slices.DeleteFunc(g.list, func(one grant) bool {
		if one.at.After(at) {
			return false
		}
		g.sum -= one.n
		return true
	})
}
