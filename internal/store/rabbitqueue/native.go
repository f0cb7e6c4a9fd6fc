package rabbitqueue

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// nativeLedger is the account of a route whose application reads the queue
// itself. Only what was put in and what is still there can be known: what has left
// counts as delivered, whether the application holds it or has acknowledged it, and the
// dead letters are those that lie in their queue.
func (a account) nativeLedger(l *Level) delivery.Ledger {
	waiting, dead := int64(l.Waiting()), int64(l.Dead)+a.Dead // a.Dead was purged by an operator
	accepted := max(a.Confirmed-a.Duplicates, waiting+dead)
	return delivery.Ledger{
		Route: a.Route, Accepted: accepted, Delivered: accepted - waiting - dead, Dead: dead, Waiting: waiting, Duplicates: a.Duplicates,
	}
}

// left is how many messages have left the queues since the last measurement,
// given how many came in.
func (w *waiting) left(l *Level, in int64) int64 {
	w.gauge.mu.Lock()
	before := w.gauge.last.Waiting()
	w.gauge.mu.Unlock()
	return max(int64(before-l.Waiting())+in, 0)
}

// declareEarly declares the queues before anything is accepted: the
// application's consumers may come first.
func (w *waiting) declareEarly(ctx context.Context) {
	if err := w.ensure(ctx); err != nil && ctx.Err() == nil {
		w.log.Warn("queues of the application's consumers could not be declared", "err", err)
	}
}
