package subscription

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// The causes of a gap.
const (
	causeExpired   = "position-expired"
	causeUnknown   = "position-unknown"
	causeCorrupted = "position-corrupted"
	causeOverflow  = "overflow"
	causeGapEvent  = "gap-event"
)

// recovering reports whether the stream has still to say its first word after a gap.
func (t *tenure) recovering() bool {
	t.gapMu.Lock()
	defer t.gapMu.Unlock()
	return t.joining
}

// broken reports whether there is a gap being dealt with.
func (t *tenure) broken() bool {
	_, open := t.currentGap()
	return open
}

// currentGap returns a copy of the gap being dealt with, and whether there is one.
func (t *tenure) currentGap() (Gap, bool) {
	t.gapMu.Lock()
	defer t.gapMu.Unlock()
	if t.gap == nil {
		return Gap{}, false
	}
	return *t.gap, true
}

// recover records the hole that a refused position may mean and prepares to
// read all that is retained. It reports false when the store failed; the old
// position is then tried, and refused, once more.
func (t *tenure) recover(ctx context.Context, refusal error) bool {
	cp := t.checkpoint()
	g, open := t.currentGap()
	if !open {
		g = Gap{
			Subscription: t.cfg.Name, State: GapOpen, Cause: t.cause(cp), From: cp.EventTime, Opened: time.Now().UTC(),
			Detail: fmt.Sprintf("the source no longer accepts position %s", hex.EncodeToString(cp.Position)),
		}
		if cp.Position == nil {
			g.Detail = "the source had told no position when the stream ended"
		}
		if g.From.IsZero() && !cp.Moved.IsZero() {
			g.From = cp.Moved.Add(-t.cfg.Overlap) // no event was ever read; the position was good until then
		}
		number, err := t.journal.OpenGap(ctx, g)
		if err != nil {
			t.log.Error("gap not recorded", "err", err)
			return false
		}
		g.Number = number
		t.log.Warn("gap opened", "gap", number, "cause", g.Cause, "from", g.From, "err", refusal)
		t.setGap(&g)
		t.countGap(1)
	} else if cp.Moved.After(g.Opened) {
		g = unread(g)
		t.setGap(&g)
	}
	if err := t.remember(ctx, t.cfg.RecoverRecent); err != nil {
		t.log.Error("recent event ids not read", "err", err)
		return false
	}
	t.setJoining(true)
	t.refused, t.joined = true, false
	t.become(Recovering, g.Detail+"; reading all retained events", "", time.Time{})
	return true
}

// unread is a gap of which nothing counts as read: a position stored since it
// opened is refused, too, so that events may be missing that came after what was read.
func unread(g Gap) Gap {
	g.Cursor, g.Began, g.Filled, g.Covered, g.Witness = nil, time.Time{}, time.Time{}, time.Time{}, ""
	return g
}

func (t *tenure) setGap(g *Gap) {
	t.gapMu.Lock()
	t.gap = g
	t.gapMu.Unlock()
	t.showRefill()
}

func (t *tenure) setJoining(joining bool) {
	t.gapMu.Lock()
	t.joining = joining
	t.gapMu.Unlock()
}

func (t *tenure) countGap(by int) {
	t.mu.Lock()
	t.status.OpenGaps += by
	t.mu.Unlock()
}

// cause tells an expired position from a bad one by its age. The bus refuses
// both, and that of a moved org, in the same words.
func (t *tenure) cause(cp Checkpoint) string {
	if cp.Position == nil {
		return causeUnknown
	}
	if !cp.Moved.IsZero() && time.Since(cp.Moved) >= t.cfg.Window {
		return causeExpired
	}
	return causeCorrupted
}

// reach is how far back the retained events reach, seen at the first thing the
// new stream sent.
type reach struct {
	until   time.Time // of the first event, or of the keep-alive
	overlap bool      // the first event is one we had, or older than the last we had
	empty   bool      // a keep-alive: nothing is retained
	first   string    // id of the first event
	// position is that of the keep-alive, if it told one.
	position event.Position
}

// reach judges from the first thing a recovering stream sent how far back the
// retained events go.
func (t *tenure) reach(batch event.Batch) *reach {
	g, _ := t.currentGap()
	cp := t.checkpoint()
	if !t.refused && cp.Moved.After(g.Opened) {
		// A predecessor stored a new position and died before it closed the gap.
		// What it saw first is not known; its last event is a safe bound.
		return &reach{until: cp.EventTime}
	}
	if len(batch.Events) == 0 {
		return &reach{until: batch.Received, empty: true, position: batch.Position}
	}
	first := batch.Events[0]
	old := !g.From.IsZero() && !first.Time.IsZero() && !first.Time.After(g.From)
	return &reach{until: first.Time, overlap: old || t.known(first.ID), first: first.ID}
}

// known reports whether a route has an event already.
func (t *tenure) known(id string) bool {
	for _, r := range t.routes {
		if t.recent[r.Name()].has(id) {
			return true
		}
	}
	return false
}

// rejoin is told what the stream's first word after a gap was, when that is
// stored. A gap whose refill is complete, or that turned out to be none, ends here; one
// whose refill was put off stays; one that nothing can refill is lost.
func (t *tenure) rejoin(ctx context.Context, r reach) error {
	g, open := t.currentGap()
	if !open {
		t.setJoining(false)
		return nil
	}
	if g.Until.IsZero() {
		g.Until = r.until
	}
	switch {
	case t.passes > maxPasses:
		t.passes = 0
		g.From, g.State = t.covered(&g), GapLost
		g.Detail += fmt.Sprintf("; the source dropped events while what is missing was read, %d times in a row. %s", maxPasses+1, remedy)
	case !g.Filled.IsZero():
		return t.closeFilled(ctx, g)
	case g.State == GapRefilling && t.refill != nil:
		return t.stayOpen(ctx, g)
	case r.overlap:
		g.State = GapRefilled
		g.Detail += "; the retained events reach back to before the last one received, so nothing is missing"
	case r.empty:
		g.State = GapLost
		g.Detail += "; no event is retained, so whatever was published in between is lost. " + remedy
	default:
		g.State = GapLost
		g.Detail += "; the oldest retained event is younger than the last one received. " + remedy
	}
	return t.closeGap(ctx, g)
}

// closeFilled ends a gap whose refill is complete.
func (t *tenure) closeFilled(ctx context.Context, g Gap) error {
	g.State, t.passes = GapRefilled, 0
	if g.Until.IsZero() {
		g.Until = g.Began
	}
	g.Detail += fmt.Sprintf("; %d events were rebuilt, %d of them new", g.Read, g.Refilled)
	return t.closeGap(ctx, g)
}

func (t *tenure) closeGap(ctx context.Context, g Gap) error {
	g.Closed = time.Now().UTC()
	if err := t.journal.UpdateGap(ctx, g); err != nil {
		return fmt.Errorf("close gap %d: %w", g.Number, err)
	}
	t.dropGap()
	t.countGap(-1)
	t.metrics.gaps(g.State)
	t.log.Warn("gap closed", "gap", g.Number, "outcome", string(g.State), "from", g.From, "until", g.Until, "read", g.Read, "refilled", g.Refilled)
	return nil
}

// stayOpen lets the stream go on while the refill waits.
func (t *tenure) stayOpen(ctx context.Context, g Gap) error {
	if err := t.journal.UpdateGap(ctx, g); err != nil {
		return fmt.Errorf("update gap %d: %w", g.Number, err)
	}
	t.setGap(&g)
	t.setJoining(false)
	return nil
}

// dropGap ends the dealing with the current gap.
func (t *tenure) dropGap() {
	t.gapMu.Lock()
	t.gap, t.joining, t.putOff, t.refillWhy = nil, false, time.Time{}, ""
	t.gapMu.Unlock()
	t.showRefill()
}

const remedy = "For change events, query the records whose SystemModstamp lies in the span; " +
	"platform events published in it must be sent again by their publisher"
