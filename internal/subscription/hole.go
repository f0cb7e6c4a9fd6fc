package subscription

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// A refill takes time, and the source may drop events meanwhile: an org that moves
// to another instance drops what it retains. What was published after the records
// were read and dropped before the stream went on would be in neither. So a refill
// counts only when the stream goes on without a break: after a position that was
// stored before the reading began, or at the oldest event that was seen then. Otherwise
// what the reading cannot have seen is read as well.

// maxPasses is how many more readings a gap gets when one was not enough.
const maxPasses = 4

// hole reports whether what a stream sent first shows a hole that the refiller
// can fill now. The span is then recorded, and the batch must be read again later.
func (t *tenure) hole(ctx context.Context, r *reach) (bool, error) {
	g, open := t.currentGap()
	if !open || t.refill == nil || !t.putOffUntil().IsZero() || !t.anew(&g, r) {
		return false, nil
	}
	g.State, g.Witness = GapRefilling, r.first
	if !r.empty {
		g.Until = r.until
	}
	if r.position == nil {
		return true, t.saveGap(ctx, g)
	}
	if err := t.saveGapAt(ctx, g, r.position); err != nil {
		return true, err
	}
	t.noteStored(step{position: r.position}) // the stream goes on from there
	return true, nil
}

// anew decides whether records must be read, for the first time or again, and
// prepares the gap for it.
func (t *tenure) anew(g *Gap, r *reach) bool {
	if g.Filled.IsZero() {
		return !r.overlap
	}
	if t.unbroken(g, r) {
		return false
	}
	if t.passes++; t.passes > maxPasses {
		return false // the span is lost
	}
	t.log.Warn("events were dropped while the missing ones were read, reading once more", "gap", g.Number)
	g.Covered = t.covered(g)
	g.Cursor, g.Began, g.Filled = nil, time.Time{}, time.Time{}
	return true
}

// unbroken reports whether a stream that goes on after a refill misses nothing
// that the refill cannot have seen.
func (t *tenure) unbroken(g *Gap, r *reach) bool {
	switch {
	case r.overlap, !t.refused && t.checkpoint().Moved.After(g.Opened):
		return true
	case r.empty && r.position == nil:
		return true // a sign of life; it is judged by the first event
	case r.first == g.Witness:
		return true
	}
	return !r.empty && r.until.Before(t.covered(g)) && !r.until.IsZero()
}

// covered is the time up to which a reading that is complete has brought everything.
func (t *tenure) covered(g *Gap) time.Time {
	if until := t.span(g).Until; !t.refill.States() && !until.IsZero() && until.Before(g.Began) {
		return until
	}
	return g.Began
}

// span is what a gap's reading must bring. One that follows another goes beyond the
// first event that is retained, because the oldest are aging out.
func (t *tenure) span(g *Gap) event.Span {
	s := event.Span{Object: g.Object, From: g.From.Add(-t.cfg.Overlap), Until: g.Until}
	if !g.Covered.IsZero() {
		s.From = g.Covered.Add(-t.cfg.Overlap)
		if !s.Until.IsZero() {
			s.Until = s.Until.Add(t.cfg.Overlap)
		}
	}
	return s
}
