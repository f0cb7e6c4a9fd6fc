package subscription

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// What the types of gap events look like: com.salesforce.change.<Object>.gap-<what>.
const (
	changePrefix   = "com.salesforce.change."
	gapInfix       = ".gap-"
	overflowSuffix = ".gap-overflow"
	recordIDLength = 18
)

// maxRefetchTries is how often the records of one gap event are asked for before
// the gap goes the slow way, so that they do not hold up the topic.
const maxRefetchTries = 5

// isGap reports whether an event says only that something changed, not what.
func isGap(e *event.Event) bool {
	return strings.HasPrefix(e.Type, changePrefix) && strings.Contains(e.Type, gapInfix)
}

// regain returns what stands in for a gap event. Records that are named are read
// at once. Where none are named, or reading them will not work soon, a gap is
// opened and due says that its refill waits. An error means that the stream must
// end, so that the event comes again.
func (t *tenure) regain(ctx context.Context, e *event.Event) (events []event.Event, due bool, err error) {
	if strings.HasSuffix(e.Type, overflowSuffix) {
		due, err = t.openSpan(ctx, e, causeOverflow, "too much changed in one transaction")
		return nil, due, err
	}
	if len(e.Subject) != recordIDLength {
		due, err = t.openSpan(ctx, e, causeGapEvent, "a gap event names no single records")
		return nil, due, err
	}
	events, err = t.refill.Refetch(ctx, *e)
	if err == nil || ctx.Err() != nil {
		t.gapTries = 0
		return events, false, err
	}
	t.metrics.refillFailures.Inc()
	if t.gapEvent != e.ID {
		t.gapEvent, t.gapTries = e.ID, 0
	}
	t.gapTries++
	// Without a position the event would not come again.
	again := t.checkpoint().Position != nil && t.gapTries < maxRefetchTries
	if event.HealingOf(err) == event.Transient && again {
		return nil, false, fmt.Errorf("read the records of a gap event: %w", err)
	}
	t.gapTries = 0
	due, err = t.openSpan(ctx, e, causeGapEvent, "the records that a gap event names could not be read: "+err.Error())
	return nil, due, err
}

// openSpan records that everything that changed on an object around a gap event
// must be read again. It is recorded before the position moves past the event; one that
// comes again after a crash finds its gap.
func (t *tenure) openSpan(ctx context.Context, e *event.Event, cause, why string) (due bool, err error) {
	object, _, _ := strings.Cut(strings.TrimPrefix(e.Type, changePrefix), gapInfix)
	g := Gap{
		Subscription: t.cfg.Name, State: GapRefilling, Object: object, Cause: cause, From: e.Time, Until: e.Time,
		Opened: time.Now().UTC(), Detail: why + "; event " + e.ID,
	}
	err = t.insist(ctx, "record gap", func() error {
		gaps, err := t.journal.Gaps(ctx, t.cfg.Name)
		if err != nil {
			return err
		}
		for _, known := range gaps {
			if known.Cause == cause && strings.HasSuffix(known.Detail, e.ID) && !known.State.Ended() {
				g = known
				return nil
			}
		}
		g.Number, err = t.journal.OpenGap(ctx, g)
		return err
	})
	if err != nil {
		if !errors.Is(err, errLeaseLost) {
			err = fmt.Errorf("record gap: %w", err)
		}
		return false, err
	}
	t.log.Warn("gap opened", "gap", g.Number, "cause", cause, "object", object, "at", e.Time)
	t.countGap(1)
	if _, busy := t.currentGap(); busy {
		return false, nil // the watch finds it later
	}
	t.setGap(&g)
	return true, nil
}
