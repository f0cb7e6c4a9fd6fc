package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// teller sends the notices of the process that has the lead.
type teller struct {
	*Watcher
	// next is when the target is tried again after it took nothing, wait the wait before.
	next time.Time
	wait time.Duration
	// missing is since when nobody has seen an alarm that was told.
	missing map[string]time.Time
}

// lead sends what is due if this process has, or gets, the lead.
func (t *teller) lead(ctx context.Context) error {
	if t.deps.Target == nil {
		return t.tidy(ctx)
	}
	has, err := t.deps.Lead.Hold(ctx, staleAfter(t.cfg.Every)+t.cfg.Timeout)
	if err != nil {
		return fmt.Errorf("take the lead of the watch: %w", err)
	}
	if !has {
		t.missing = nil
		return nil
	}
	if time.Now().Before(t.next) {
		return nil
	}
	// Read again under the lead: what the one before has told counts.
	b, err := readBoard(ctx, t.deps.Notebook, staleAfter(t.cfg.Every))
	if err != nil {
		return err
	}
	if err := t.clear(ctx, b); err != nil {
		return err
	}
	return t.tell(ctx, b)
}

// tidy ends without a notice what was told to a target that is no longer set.
func (t *teller) tidy(ctx context.Context) error {
	b, err := readBoard(ctx, t.deps.Notebook, staleAfter(t.cfg.Every))
	if err != nil {
		return err
	}
	for id := range b.told {
		if !t.over(id, b) {
			continue
		}
		if err := t.deps.Notebook.Forget(ctx, scopeTold, id); err != nil {
			return err
		}
	}
	return t.clear(ctx, b)
}

// clear removes the reports of processes that are no more.
func (t *teller) clear(ctx context.Context, b board) error {
	for _, process := range b.gone {
		if err := t.deps.Notebook.Forget(ctx, scopeSeen, process); err != nil {
			return err
		}
	}
	return nil
}

// tell sends the notices that the board asks for, until one is not taken. The lead is
// kept while they are sent: each takes no longer than the lease's margin.
func (t *teller) tell(ctx context.Context, b board) error {
	for _, id := range slices.Sorted(maps.Keys(b.active)) {
		kind, due := t.due(b.active[id], b.told[id])
		if !due {
			continue
		}
		if ok, err := t.notify(ctx, kind, id, b.active[id], b.told[id]); !ok || err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.told)) {
		if !t.over(id, b) {
			continue
		}
		if ok, err := t.notify(ctx, Resolved, id, b.told[id].sighting, b.told[id]); !ok || err != nil {
			return err
		}
	}
	return nil
}

// due decides whether an active alarm wants a notice.
func (t *teller) due(s sighting, before told) (Kind, bool) {
	switch {
	case before.Notices == 0, s.Severity.Worse(before.Severity):
		return Raised, true
	case t.cfg.Repeat > 0 && time.Since(before.At) >= t.cfg.Repeat:
		return Repeated, true
	}
	return "", false
}

// over decides whether an alarm that was told has ended: somebody has found it to be
// well and nobody else sees it, or nobody has known of it for long.
func (t *teller) over(id string, b board) bool {
	if _, active := b.active[id]; active {
		delete(t.missing, id)
		return false
	}
	if b.well[id] {
		return true
	}
	if t.missing == nil {
		t.missing = map[string]time.Time{}
	}
	since, ok := t.missing[id]
	if !ok {
		since = time.Now()
		t.missing[id] = since
	}
	return time.Since(since) >= t.cfg.Vanished
}

// notify sends one notice and notes that it was taken; false if it was not.
func (t *teller) notify(ctx context.Context, kind Kind, id string, s sighting, before told) (bool, error) {
	if before.Notices > 0 {
		s.Since = before.Since
	}
	now := time.Now()
	notice, err := newNotice(kind, s.alarm(id, before.At), before.Notices+1, now)
	if err != nil {
		return false, err
	}
	if has, err := t.deps.Lead.Hold(ctx, staleAfter(t.cfg.Every)+t.cfg.Timeout); err != nil || !has {
		return false, err
	}
	outcome := t.send(ctx, notice)
	if ctx.Err() != nil {
		return false, nil
	}
	t.deps.Metrics.notices.WithLabelValues(outcome.Verdict.String()).Inc()
	if outcome.Verdict != event.Delivered {
		t.postpone(outcome)
		return false, nil
	}
	t.next, t.wait = time.Time{}, 0
	if kind == Resolved {
		delete(t.missing, id)
		return true, t.deps.Notebook.Forget(ctx, scopeTold, id)
	}
	body, err := json.Marshal(told{sighting: s, At: now.UTC(), Notices: before.Notices + 1})
	if err != nil {
		return false, fmt.Errorf("note what was told: %w", err)
	}
	return true, t.deps.Notebook.Note(ctx, scopeTold, id, body)
}

func (t *teller) send(ctx context.Context, notice event.Event) event.Outcome {
	bounded, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	return t.deps.Target.Deliver(bounded, notice, 1)
}

// postpone waits before the target is tried again; a notice that it refuses is
// tried again too, because a person may mend the target.
func (t *teller) postpone(o event.Outcome) {
	t.wait = min(max(2*t.wait, t.cfg.RetryFirst), t.cfg.RetryMax)
	t.next = time.Now().Add(max(t.wait, min(o.After, t.cfg.RetryMax)))
	t.deps.Log.Warn("the alarm target took no notice, trying again", "wait", t.wait, "status", o.Status, "why", o.Reason, "hint", o.Hint)
}
