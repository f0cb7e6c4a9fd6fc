package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// A stream may end before its source has told any position: one that begins at
// the tip of a quiet topic, or one over a transport that tells late. To begin anew at
// the tip would skip what came in between in silence; so a time is stored at once, and
// the next stream reads what is retained from that time on.

// markSkew is how much older than the stored time events are still taken, because
// clocks differ and streams are not sorted by time. What was had is known by its id.
const markSkew = time.Minute

// begin prepares the reading from start: the beginning at the tip is stored before
// the tip is asked for.
func (t *tenure) begin(ctx context.Context, start event.Start) error {
	t.since = time.Time{}
	cp := t.checkpoint()
	switch {
	case t.refused || start.After != nil || t.cfg.SourceKeeps:
		return nil
	case cp.unplaced():
		t.since = cp.EventTime.Add(-markSkew)
		return nil
	case start.Earliest:
		return nil
	}
	now := time.Now().UTC()
	a := Append{Subscription: t.cfg.Name, Fence: t.lease.Fence, EventTime: now}
	if err := t.insist(ctx, "store where to begin", func() error { return t.journal.Append(ctx, a) }); err != nil {
		return err
	}
	t.mu.Lock()
	t.stored.EventTime = now
	t.mu.Unlock()
	return nil
}

// outlived says, by the first thing that a stream without a position sent, whether
// the source may have dropped events since the stored time. That is a refusal as if
// it had been asked for the position.
func (t *tenure) outlived(batch event.Batch) error {
	if t.since.IsZero() || t.refused {
		return nil
	}
	now := time.Now()
	if len(batch.Events) > 0 && batch.Events[0].Time.After(now) {
		now = batch.Events[0].Time // the source's clock is ahead of ours
	}
	if now.Sub(t.since) < t.cfg.Window {
		return nil
	}
	return fmt.Errorf("no position was told before the stream ended, which is longer ago than the source retains events: %w", event.ErrPositionRefused)
}

// skipped says, by the first thing that a stream sent, whether the source has
// dropped events after a gap that ended before any position was told: the stream then
// begins at the oldest event again, and must find what it has or what is older.
func (t *tenure) skipped(batch event.Batch) error {
	if !t.refused || t.broken() || len(batch.Events) == 0 {
		return nil
	}
	first := &batch.Events[0]
	if t.known(first.ID) || !first.Time.After(t.checkpoint().EventTime) {
		return nil
	}
	return fmt.Errorf("no position was told since the last gap, and what came after it is no longer retained: %w", event.ErrPositionRefused)
}
