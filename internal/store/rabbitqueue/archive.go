package rabbitqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// account is a route's account with what is not entered in the register yet.
type account struct{ contract.Account }

// surplus is how much more has come out (or waits) than was put in.
func (a account) surplus(waiting int64) int64 {
	return a.Delivered + a.Dead + a.Duplicates + waiting - a.Confirmed
}

func (w *waiting) account(ctx context.Context) (account, error) {
	all, err := w.q.deps.Register.Accounts(ctx)
	if err != nil {
		return account{}, err
	}
	for _, a := range all {
		if a.Route == w.cfg.Name {
			return account{a}, nil
		}
	}
	return account{contract.Account{Route: w.cfg.Name}}, nil
}

// flush enters what was counted since the last time.
func (q *Queue) flush(ctx context.Context) {
	if err := q.post(ctx); err != nil && ctx.Err() == nil {
		q.log.Warn("counts are not in the register yet", "err", err)
	}
}

// post enters the counts of all routes.
func (q *Queue) post(ctx context.Context) error {
	for _, w := range q.routes {
		if w.confirmed.Load() == 0 && w.duplicates.Load() == 0 && w.redelivered.Load() == 0 {
			continue
		}
		if _, err := w.post(ctx, contract.Posting{Route: w.cfg.Name}); err != nil {
			return err
		}
	}
	return nil
}

// Ledgers implements [delivery.Archive]: the accounts of the register, with
// what waits asked of the broker. While an account shows more out than in (see
// docs/queues.md), what came out counts as accepted: it had been.
func (q *Queue) Ledgers(ctx context.Context) ([]delivery.Ledger, error) {
	if err := q.post(ctx); err != nil {
		return nil, err
	}
	var out []delivery.Ledger
	for _, r := range q.cfg.Routes {
		w := q.routes[r.Name]
		l, _, err := w.ledger(ctx)
		if err != nil {
			l, err = w.lastLedger(ctx, err)
		}
		if err != nil {
			return nil, fmt.Errorf("read the account of route %s: %w", r.Name, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// ledger is a route's account. missing is how many events it says were accepted
// and are nowhere.
func (w *waiting) ledger(ctx context.Context) (l delivery.Ledger, missing int64, err error) {
	level, err := w.level(ctx)
	if err != nil {
		return l, 0, err
	}
	a, err := w.account(ctx)
	if err != nil {
		return l, 0, err
	}
	if w.cfg.Native {
		return a.nativeLedger(&level), 0, nil
	}
	return a.ledger(&level), -a.surplus(int64(level.Waiting())), nil
}

// lastLedger is the account with what was last measured, for a broker that does
// not answer: it must not hide the other routes' accounts.
func (w *waiting) lastLedger(ctx context.Context, why error) (delivery.Ledger, error) {
	if ctx.Err() != nil {
		return delivery.Ledger{}, why
	}
	w.log.Debug("broker does not answer, its last depth is shown", "err", why)
	a, err := w.account(ctx)
	if err != nil {
		return delivery.Ledger{}, err
	}
	w.gauge.mu.Lock()
	last := w.gauge.last
	w.gauge.mu.Unlock()
	if w.cfg.Native {
		return a.nativeLedger(&last), nil
	}
	return a.ledger(&last), nil
}

// ledger is the account as told, given what waits.
func (a account) ledger(l *Level) delivery.Ledger {
	waiting := int64(l.Waiting())
	return delivery.Ledger{
		Route: a.Route, Accepted: a.Confirmed - a.Duplicates + max(a.surplus(waiting), 0), Delivered: a.Delivered, Dead: a.Dead, Waiting: waiting,
		Redelivered: a.Redelivered, Duplicates: a.Duplicates, OldestWaiting: l.Oldest,
	}
}

// auditTries is how often a sum that does not add up is taken again: messages
// between the broker and us are in nobody's count for a moment.
const (
	auditTries = 10
	auditPause = 200 * time.Millisecond
)

// Audit implements [delivery.Archive].
func (q *Queue) Audit(ctx context.Context) ([]delivery.Finding, error) {
	findings, err := q.deps.Register.AuditRegister(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range q.cfg.Routes {
		missing, err := q.routes[r.Name].missing(ctx)
		if err != nil {
			return nil, err
		}
		if missing > 0 {
			findings = append(findings, delivery.Finding{Route: r.Name, What: fmt.Sprintf(
				"%d messages that the broker has confirmed are neither delivered nor dead nor in its queues; "+
					"other processes may hold some unacknowledged, or somebody has purged the queue", missing)})
		}
	}
	return findings, nil
}

// missing is the least that several counts say is missing.
func (w *waiting) missing(ctx context.Context) (least int64, err error) {
	for try := range auditTries {
		if err := w.q.post(ctx); err != nil {
			return 0, err
		}
		_, missing, err := w.ledger(ctx)
		if err != nil {
			return 0, err
		}
		if try == 0 || missing < least {
			least = missing
		}
		if least <= 0 {
			return 0, nil
		}
		t := time.NewTimer(auditPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return 0, ctx.Err()
		}
	}
	return least, nil
}

// List implements [delivery.Archive] from the register. Of the events that wait
// it knows those that have failed at least once; the others are the broker's alone.
func (q *Queue) List(ctx context.Context, f delivery.ListFilter) ([]delivery.Record, error) {
	return q.deps.Register.ListRegistered(ctx, f)
}

// scanLimit bounds the dead letters that are looked through for one.
const scanLimit = 1000

// Find implements [delivery.Archive]. The payload is there while this process
// holds the event or it is among the first dead letters; the broker gives no
// single message out of a queue.
func (q *Queue) Find(ctx context.Context, id string) ([]delivery.Record, error) {
	found, err := q.deps.Register.FindRegistered(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, w := range q.routes {
		found = w.addHeld(found, id)
	}
	for i := range found {
		r := &found[i]
		w := q.routes[r.Event.Route]
		if w == nil || r.Event.Data != nil || r.State != delivery.DeadState {
			continue
		}
		if r.Event.Data, err = w.deadPayload(ctx, id); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// addHeld adds what this process holds of an event.
func (w *waiting) addHeld(found []delivery.Record, id string) []delivery.Record {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	for _, h := range w.room.byID[id] {
		state := delivery.Waiting
		if h.claimed {
			state = delivery.InFlight
		}
		for i := range found {
			if r := &found[i]; r.Event.Route == w.cfg.Name && r.State == delivery.Waiting {
				r.State, r.Event.Data = state, h.event.Data
				return found
			}
		}
		if len(found) == 0 {
			return append(found, delivery.Record{Seq: h.seq, Event: h.event, State: state, Accepted: h.accepted, Attempts: h.attempts, Due: h.due})
		}
	}
	return found
}

func (w *waiting) deadPayload(ctx context.Context, id string) (data []byte, err error) {
	if d, err := w.q.depthOf(ctx, w.names.dead); err != nil || d.Missing {
		return nil, err
	}
	_, err = w.q.deps.Consume.Take(ctx, w.names.dead, scanLimit, func(some []*rabbit.Delivery) ([]bool, error) {
		for _, d := range some {
			if l := read(w.cfg.Name, &d.Message, time.Time{}); l.event.ID == id {
				data = l.event.Data
			}
		}
		return make([]bool, len(some)), nil
	})
	return data, err
}
