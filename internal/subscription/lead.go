package subscription

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// tenure is the time from winning the lease to losing it or stopping.
type tenure struct {
	*Subscriber
	lease  Lease
	cancel context.CancelCauseFunc // ends the tenure
	recent map[string]*recent      // by route; receiver only
	wait   backoff

	gapMu sync.Mutex // guards the next five; taken before Subscriber.mu, never while it is held
	// gap is the hole being dealt with; nil when there is none. It is read by the
	// receiver and closed by the committer.
	gap *Gap
	// joining: the stream's first word after the gap is still to come.
	joining bool
	// putOff is when a refill that was put off is tried again, refillWhy why it was.
	putOff    time.Time
	refillWhy string
	// interrupt ends the open stream; nil when there is none.
	interrupt context.CancelCauseFunc

	// gapEvent is the gap event whose records could not be read, gapTries how often.
	gapEvent string
	gapTries int
	// passes counts the readings of the current gap that were not enough. Receiver only
	// until the stream has gone on, committer then.
	passes int
	// joined: the stored position is one that a stream of this tenure gave.
	joined bool
	// refused: the stored position is of no use, so begin at the earliest event.
	refused bool
	// troubled: the stream before has ended in a failure.
	troubled bool
	// since: what is older was had, or was before the beginning, although no position
	// says so; zero: nothing. Receiver only.
	since time.Time
}

// lead reads the topic while the lease is held.
func (s *Subscriber) lead(parent context.Context, lease Lease) {
	ctx, cancel := context.WithCancelCause(parent)
	t := &tenure{
		Subscriber: s, lease: lease, cancel: cancel,
		wait: backoff{first: s.cfg.BackoffFirst, limit: s.cfg.BackoffMax},
	}
	var keeper sync.WaitGroup
	keeper.Go(func() { s.keep(ctx, lease, cancel) })
	keeper.Go(func() { t.watchGaps(ctx) })
	if t.prepare(ctx) {
		t.connectLoop(ctx)
	}
	cancel(errStopped)
	keeper.Wait()
	final, done := context.WithTimeout(context.WithoutCancel(parent), s.cfg.FlushTimeout)
	defer done()
	s.release(final, lease)
}

// prepare reads what the store knows, waiting while it fails; false when the
// tenure is over.
func (t *tenure) prepare(ctx context.Context) bool {
	wait := backoff{first: storeRetryFirst, limit: storeRetryMax}
	for {
		err := t.load(ctx)
		if err == nil {
			return true
		}
		pause := wait.next()
		if ctx.Err() == nil {
			t.become(Connecting, err.Error(), "check the store", time.Now().Add(pause))
		}
		if !sleep(ctx, pause) {
			return false
		}
	}
}

func (t *tenure) load(ctx context.Context) error {
	t.become(Connecting, "", "", time.Time{})
	cp, err := t.journal.Checkpoint(ctx, t.cfg.Name)
	if err != nil {
		return fmt.Errorf("read position: %w", err)
	}
	gaps, err := t.journal.Gaps(ctx, t.cfg.Name)
	if err != nil {
		return fmt.Errorf("read gaps: %w", err)
	}
	g := unfinished(gaps) // a predecessor ended while recovering
	t.setGap(g)
	t.setJoining(g != nil)
	limit := t.cfg.Recent
	if g != nil {
		limit = t.cfg.RecoverRecent
	}
	if err := t.remember(ctx, limit); err != nil {
		return err
	}
	t.mu.Lock()
	t.stored, t.placed = cp, time.Time{}
	t.status.OpenGaps = countOpen(gaps)
	t.mu.Unlock()
	return nil
}

func countOpen(gaps []Gap) (n int) {
	for _, g := range gaps {
		if !g.State.Ended() {
			n++
		}
	}
	return n
}

// remember loads the ids of accepted events, per route.
func (t *tenure) remember(ctx context.Context, limit int) error {
	known := make(map[string]*recent, len(t.routes))
	for _, r := range t.routes {
		ids, err := t.journal.RecentIDs(ctx, r.Name(), limit)
		if err != nil {
			return fmt.Errorf("read recent event ids of route %s: %w", r.Name(), err)
		}
		known[r.Name()] = newRecent(limit, ids)
	}
	t.recent = known
	return nil
}

// connectLoop opens one stream after another until the tenure is over, with
// refills in between.
func (t *tenure) connectLoop(ctx context.Context) {
	for first := true; ctx.Err() == nil; first = false {
		if t.due() && !t.refillGap(ctx) {
			return
		}
		if !first {
			t.metrics.reconnects.Inc()
			t.mu.Lock()
			t.status.Reconnects++
			t.mu.Unlock()
		}
		began := time.Now()
		served, err := t.stream(ctx)
		if ctx.Err() != nil {
			return
		}
		// One that stood for as long as it was waited for has earned a short wait, too:
		// a source that cuts every few seconds is not left alone for longer and longer.
		if lasted := time.Since(began); served && (lasted >= t.cfg.HealthyAfter || lasted >= max(t.wait.last, time.Second)) {
			t.wait.reset()
		}
		if errors.Is(err, errRefillDue) {
			continue
		}
		t.pause(ctx, err)
		t.troubled = true
	}
}

// start says where the next stream begins.
func (t *tenure) start() event.Start {
	cp := t.checkpoint()
	switch {
	case t.refused || cp.unplaced():
		return event.Start{Earliest: true}
	case cp.Position == nil:
		return event.Start{Earliest: t.cfg.Earliest}
	default:
		return event.Start{After: cp.Position}
	}
}

// pause waits as long as the failure asks for before the next try.
func (t *tenure) pause(ctx context.Context, err error) {
	healing := event.HealingOf(err)
	if errors.Is(err, event.ErrPositionRefused) {
		healing = event.Transient // for us: there is another place to begin
		if (!t.refused || !t.broken()) && t.recover(ctx, err) {
			return // at once: the window may be closing
		}
	}
	state, wait := Connecting, t.wait.next()
	switch healing {
	case event.Permanent:
		state, wait = Failed, t.cfg.PermanentRetry
	case event.Throttled:
		if e, ok := errors.AsType[*event.Error](err); ok {
			wait = max(wait, e.After)
		}
	case event.Transient:
	}
	if t.recovering() && state != Failed {
		state = Recovering
	}
	t.become(state, err.Error(), event.HintOf(err), time.Now().Add(wait))
	t.log.Warn("stream ended, connecting again", "wait", wait, "err", err)
	sleep(ctx, wait)
}
