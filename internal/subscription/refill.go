package subscription

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// errRefillDue ends a stream so that a refill can run.
var errRefillDue = errors.New("the stream waits for a refill")

// The rule of merging: while a refill reads and stores, no event of the stream is
// stored. What the refill brings is the state of records at that time, so
// whatever the stream still holds for them comes after it, older changes
// included, and the last word on every field is the newest. Storing a
// stream's event between the reading of a record and its storing would let the older
// state overwrite the newer; that is why a refill that lets the stream go on
// begins anew.

// saveGap stores a gap under the fence, trying again while the store fails.
func (t *tenure) saveGap(ctx context.Context, g Gap) error { return t.saveGapAt(ctx, g, nil) }

// saveGapAt stores a gap with a position that the source has told since, if any.
func (t *tenure) saveGapAt(ctx context.Context, g Gap, position event.Position) error {
	a := Append{Subscription: t.cfg.Name, Fence: t.lease.Fence, Position: position, Gap: &g}
	if err := t.insist(ctx, "store gap", func() error { return t.journal.Append(ctx, a) }); err != nil {
		return err
	}
	t.setGap(&g)
	return nil
}

// due reports whether there is a refill to run now.
func (t *tenure) due() bool {
	if t.refill == nil {
		return false
	}
	g, open := t.currentGap()
	return open && g.State == GapRefilling && g.Filled.IsZero() && !time.Now().Before(t.putOffUntil())
}

func (t *tenure) putOffUntil() time.Time {
	t.gapMu.Lock()
	defer t.gapMu.Unlock()
	return t.putOff
}

// refillGap runs the current gap's refill to its end, trying again while it
// fails. When it makes no progress for the length of the patience, or a person
// is needed, it is put off and the stream goes on. False means that the tenure is over.
func (t *tenure) refillGap(ctx context.Context) bool {
	if err := t.insist(ctx, "read recent event ids", func() error { return t.remember(ctx, t.cfg.RecoverRecent) }); err != nil {
		t.cancel(err)
		return false
	}
	wait := backoff{first: t.cfg.BackoffFirst, limit: t.cfg.BackoffMax}
	progress := time.Now()
	for ctx.Err() == nil {
		t.setPutOff(time.Time{}, "")
		moved, err := t.refillOnce(ctx)
		switch {
		case err == nil:
			return true
		case errors.Is(err, errLeaseLost):
			t.cancel(err)
			return false
		case ctx.Err() != nil:
			return false
		case moved:
			progress = time.Now()
			wait.reset()
		}
		t.metrics.refillFailures.Inc()
		pause := waitFor(err, wait.next())
		if event.HealingOf(err) == event.Permanent || time.Since(progress)+pause > t.cfg.RefillPatience {
			return t.putOffRefill(ctx, err, pause)
		}
		t.become(Refilling, err.Error(), event.HintOf(err), time.Now().Add(pause))
		t.log.Warn("refill fails, trying again", "wait", pause, "err", err)
		sleep(ctx, pause)
	}
	return false
}

// waitFor is the wait that a failure asks for, or the one given.
func waitFor(err error, wait time.Duration) time.Duration {
	if e, ok := errors.AsType[*event.Error](err); ok && e.Healing == event.Throttled {
		return max(wait, e.After)
	}
	return wait
}

// putOffRefill lets the stream go on without the refill. The cursor is void then.
func (t *tenure) putOffRefill(ctx context.Context, err error, pause time.Duration) bool {
	g, open := t.currentGap()
	if !open {
		return true
	}
	g.Cursor, g.Began = nil, time.Time{}
	if saveErr := t.saveGap(ctx, g); saveErr != nil {
		t.cancel(saveErr)
		return false
	}
	next := time.Now().Add(max(pause, t.cfg.RefillRetry))
	why := err.Error()
	if hint := event.HintOf(err); hint != "" {
		why += " (" + hint + ")"
	}
	t.setPutOff(next, why)
	t.log.Error("refill put off, the stream goes on without it", "gap", g.Number, "until", next, "err", err)
	return true
}

func (t *tenure) setPutOff(until time.Time, why string) {
	t.gapMu.Lock()
	t.putOff, t.refillWhy = until, why
	t.gapMu.Unlock()
	t.showRefill()
}

// refillOnce reads and stores until the end or a failure, and reports whether it
// stored anything.
func (t *tenure) refillOnce(ctx context.Context) (moved bool, err error) {
	g, ok, err := t.freshGap(ctx)
	if err != nil || !ok {
		return false, err
	}
	if g.Cursor == nil {
		g.Began = time.Now().UTC()
	}
	t.become(Refilling, "bringing back what is missing since "+g.From.UTC().Format(time.RFC3339), "", time.Time{})
	st, err := t.refill.Refill(ctx, t.span(&g), g.Cursor)
	if err == nil {
		moved, err = t.drain(ctx, st, &g)
		_ = st.Close()
	}
	if errors.Is(err, event.ErrPositionRefused) && g.Cursor != nil {
		g.Cursor = nil // what was read before comes again, with the same ids
		return moved, errors.Join(t.saveGap(ctx, g), err)
	}
	if err != nil {
		return moved, err
	}
	g.Filled, g.Cursor = time.Now().UTC(), nil
	t.log.Info("refill complete", "gap", g.Number, "read", g.Read, "refilled", g.Refilled)
	if t.joined {
		return true, t.insist(ctx, "close gap", func() error { return t.closeFilled(ctx, g) })
	}
	// A crash between here and the stream's first word must find the old position's
	// refusal explained, so the gap stays until then.
	t.setJoining(true)
	return true, t.saveGap(ctx, g)
}

// freshGap reads the current gap anew: a person may have ended it meanwhile.
func (t *tenure) freshGap(ctx context.Context) (Gap, bool, error) {
	current, open := t.currentGap()
	if !open {
		return Gap{}, false, nil
	}
	gaps, err := t.journal.Gaps(ctx, t.cfg.Name)
	if err != nil {
		return Gap{}, false, fmt.Errorf("read gaps: %w", err)
	}
	for _, g := range gaps {
		if g.Number == current.Number && !g.State.Ended() {
			return g, true, nil
		}
	}
	t.dropGap()
	t.countGap(-1)
	return Gap{}, false, nil
}

// drain stores all that a refill's stream brings; each batch lands together with
// the cursor after it.
func (t *tenure) drain(ctx context.Context, st event.Stream, g *Gap) (moved bool, err error) {
	for {
		batch, err := st.Next(ctx)
		if errors.Is(err, io.EOF) {
			return moved, nil
		}
		if err != nil {
			return moved, err
		}
		next := *g
		s := t.take(batch.Events, &next)
		next.Cursor = batch.Position
		if err := t.storeRefilled(ctx, s, next); err != nil {
			return moved, err
		}
		*g, moved = next, true
		t.setGap(&next)
		t.metrics.countRefilled(s)
	}
}

// take offers refilled events to the routes.
func (t *tenure) take(events []event.Event, g *Gap) step {
	s := step{received: len(events), events: make([]event.Event, 0, len(events)*len(t.routes))}
	for i := range events {
		e, before := &events[i], len(s.events)
		e.Refilled = true
		t.enter(e)
		t.offerAll(&s, e)
		if len(s.events) > before {
			g.Refilled++
		}
	}
	g.Read += int64(len(events))
	return s
}

// storeRefilled stores a step with the gap's new state. When a commit's answer is
// lost the gap's cursor tells whether it happened.
func (t *tenure) storeRefilled(ctx context.Context, s step, g Gap) error {
	a := Append{
		Subscription: t.cfg.Name, Fence: t.lease.Fence, Events: s.events, Filtered: s.filtered, Duplicates: s.duplicates, Gap: &g,
	}
	return t.insist(ctx, "store refilled events", func() error {
		err := t.journal.Append(ctx, a)
		if err == nil || errors.Is(err, ErrFenced) {
			return err
		}
		gaps, readErr := t.journal.Gaps(ctx, t.cfg.Name)
		for _, stored := range gaps {
			if readErr == nil && stored.Number == g.Number && stored.Read == g.Read && string(stored.Cursor) == string(g.Cursor) {
				return nil
			}
		}
		return err
	})
}

// watchGaps looks for gaps that a person or another process wants refilled, and
// interrupts the stream when there is a refill to run.
func (t *tenure) watchGaps(ctx context.Context) {
	if t.refill == nil {
		return
	}
	for sleep(ctx, t.cfg.GapPoll) {
		if _, busy := t.currentGap(); !busy {
			gaps, err := t.journal.Gaps(ctx, t.cfg.Name)
			if err != nil {
				continue // the committer says so if it lasts
			}
			t.adopt(gaps)
		}
		if t.due() {
			t.interruptStream()
		}
	}
}

// adopt takes on a gap that waits to be refilled, if there is one and no other is
// being dealt with.
func (t *tenure) adopt(gaps []Gap) {
	g := unfinished(gaps)
	t.gapMu.Lock()
	taken := t.gap == nil && g != nil && g.State == GapRefilling
	if taken {
		t.gap = g
	}
	t.gapMu.Unlock()
	t.mu.Lock()
	t.status.OpenGaps = countOpen(gaps)
	t.mu.Unlock()
	if taken {
		t.showRefill()
	}
}

// unfinished returns the gap to deal with first: one whose extent is not known
// yet, else the oldest.
func unfinished(gaps []Gap) (first *Gap) {
	for i := range gaps { // newest first
		if g := &gaps[i]; !g.State.Ended() && (first == nil || first.State != GapOpen) {
			first = g
		}
	}
	if first == nil {
		return nil
	}
	g := *first
	return &g
}

func (t *tenure) setInterrupt(stop context.CancelCauseFunc) {
	t.gapMu.Lock()
	t.interrupt = stop
	t.gapMu.Unlock()
}

func (t *tenure) interruptStream() {
	t.gapMu.Lock()
	defer t.gapMu.Unlock()
	if t.interrupt != nil {
		t.interrupt(errRefillDue)
	}
}

// showRefill puts the refill into the status.
func (t *tenure) showRefill() {
	t.gapMu.Lock()
	var shown *RefillStatus
	if t.gap != nil && t.gap.State == GapRefilling {
		shown = &RefillStatus{
			Gap: t.gap.Number, Since: t.gap.Began, Read: t.gap.Read, Refilled: t.gap.Refilled, NextTry: t.putOff, Why: t.refillWhy,
		}
	}
	t.gapMu.Unlock()
	t.mu.Lock()
	t.status.Refill = shown
	t.mu.Unlock()
}
