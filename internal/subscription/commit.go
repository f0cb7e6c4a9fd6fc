package subscription

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// commitLoop stores everything pending, in one transaction at a time, until
// the receiver is done and nothing is left. While one transaction is under way the next
// one grows, so a fast stream makes large transactions and a lone event waits for nobody.
func (t *tenure) commitLoop(ctx context.Context, q *pending, told *confirmer) {
	for {
		s, ok := q.take()
		if !ok {
			return
		}
		if err := t.commit(ctx, s); err != nil {
			t.log.Warn("events not stored, they will be read again", "count", len(s.events), "err", err)
			t.cancel(err)
			return
		}
		told.stored(s.position)
	}
}

// commit stores one step, trying again while the store fails. An error means
// that the tenure is over.
func (t *tenure) commit(ctx context.Context, s step) error {
	a := Append{
		Subscription: t.cfg.Name, Fence: t.lease.Fence, Events: s.events, Position: s.position,
		EventTime: s.eventTime, Filtered: s.filtered, Duplicates: s.duplicates,
	}
	began := time.Now()
	err := t.insist(ctx, "store events", func() error { return t.append(ctx, a) })
	if err != nil {
		return err
	}
	t.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	t.noteStored(s)
	if s.reach != nil {
		if err := t.insist(ctx, "close gap", func() error { return t.rejoin(ctx, *s.reach) }); err != nil {
			return err
		}
	}
	t.settleState(s)
	return nil
}

// append stores once. When a commit's answer is lost the events may be there
// already, and storing them again would duplicate them; the position tells.
func (t *tenure) append(ctx context.Context, a Append) error {
	err := t.journal.Append(ctx, a)
	if err == nil || errors.Is(err, ErrFenced) || a.Position == nil {
		return err
	}
	cp, readErr := t.journal.Checkpoint(ctx, a.Subscription)
	if readErr == nil && bytes.Equal(cp.Position, a.Position) {
		return nil
	}
	return err
}

// insist repeats do until it succeeds; it gives up only when the lease has
// passed on or ctx is done.
func (t *tenure) insist(ctx context.Context, what string, do func() error) error {
	wait := backoff{first: storeRetryFirst, limit: storeRetryMax}
	for fails := 1; ; fails++ {
		err := do()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrFenced):
			t.cancel(errLeaseLost)
			return errLeaseLost
		case ctx.Err() != nil:
			return err
		}
		pause := wait.next()
		t.become(t.state(), what+": "+err.Error(), "check the store; the source waits meanwhile", time.Now().Add(pause))
		if fails == 1 || fails%10 == 0 {
			t.log.Error("store fails", "what", what, "times", fails, "wait", pause, "err", err)
		}
		if !sleep(ctx, pause) {
			return err
		}
	}
}

// noteStored takes note of a step that is durable.
func (t *tenure) noteStored(s step) {
	t.mu.Lock()
	if s.position != nil {
		t.stored.Position, t.stored.Moved, t.placed = s.position, time.Now(), s.eventTime
	}
	if !s.eventTime.IsZero() {
		t.stored.EventTime = s.eventTime
	}
	t.status.Events += int64(s.received)
	t.mu.Unlock()
	if s.position != nil {
		t.refused, t.joined = false, true
	}
	t.metrics.count(s)
}

// settleState sets the state by the age of what was stored.
func (t *tenure) settleState(s step) {
	if t.recovering() {
		return
	}
	if age := time.Since(s.eventTime); !s.eventTime.IsZero() && age > t.cfg.LiveWithin {
		t.mu.Lock()
		t.status.Lag = age
		t.backlog.note(time.Now(), s.eventTime, s.received)
		t.mu.Unlock()
		t.become(CatchingUp, "reading a backlog", "", time.Time{})
		return
	}
	t.become(Live, "", "", time.Time{})
}
