package subscription

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// The causes of a gap.
const (
	causeExpired   = "position-expired"
	causeCorrupted = "position-corrupted"
)

func (t *tenure) recovering() bool {
	t.gapMu.Lock()
	defer t.gapMu.Unlock()
	return t.gap != nil
}

// recover records the hole that a refused position may mean and prepares to
// read all that is retained. It reports false when the store failed; the old
// position is then tried, and refused, once more.
func (t *tenure) recover(ctx context.Context, refusal error) bool {
	cp := t.checkpoint()
	if t.gap == nil {
		g := Gap{
			Subscription: t.cfg.Name, State: GapOpen, Cause: t.cause(cp), From: cp.EventTime, Opened: time.Now().UTC(),
			Detail: fmt.Sprintf("the source no longer accepts position %s", hex.EncodeToString(cp.Position)),
		}
		number, err := t.journal.OpenGap(ctx, g)
		if err != nil {
			t.log.Error("gap not recorded", "err", err)
			return false
		}
		g.Number = number
		t.setGap(&g)
		t.log.Warn("gap opened", "gap", number, "cause", g.Cause, "from", g.From, "err", refusal)
	}
	if err := t.remember(ctx, t.cfg.RecoverRecent); err != nil {
		t.log.Error("recent event ids not read", "err", err)
		return false
	}
	t.refused = true
	t.become(Recovering, t.gap.Detail+"; reading all retained events", "", time.Time{})
	return true
}

func (t *tenure) setGap(g *Gap) {
	t.gapMu.Lock()
	t.gap = g
	t.gapMu.Unlock()
	t.mu.Lock()
	if g != nil {
		t.status.OpenGaps++
	} else {
		t.status.OpenGaps--
	}
	t.mu.Unlock()
}

// cause tells an expired position from a bad one by its age. The bus refuses
// both, and that of a moved org, in the same words.
func (t *tenure) cause(cp Checkpoint) string {
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
}

// closeGap ends the gap with what is known of the hole. Bringing back what is
// missing is not this engine's part yet, so what is not retained counts as lost.
func (t *tenure) closeGap(ctx context.Context, r reach) error {
	t.gapMu.Lock()
	g := *t.gap
	t.gapMu.Unlock()
	g.Until, g.Closed = r.until, time.Now().UTC()
	switch {
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
	if err := t.journal.UpdateGap(ctx, g); err != nil {
		return fmt.Errorf("close gap %d: %w", g.Number, err)
	}
	t.setGap(nil)
	t.metrics.gaps(g.State)
	t.log.Warn("gap closed", "gap", g.Number, "outcome", string(g.State), "from", g.From, "until", g.Until)
	return nil
}

const remedy = "For change events, query the records whose SystemModstamp lies in the span; " +
	"platform events published in it must be sent again by their publisher"
