package callout

import (
	"context"
	"time"
)

// askEvery is how often the store is asked about the events that callers wait for.
const askEvery = 100 * time.Millisecond

// Elsewhere tells callers who wait of events that another process has delivered.
// It is a run.Worker, for a store that processes share: they ask it, in one question
// for all callers of a route, and only while somebody waits.
type Elsewhere struct {
	acceptor *Acceptor
	ended    func(ctx context.Context, ids []string) ([]string, error)
}

// NewElsewhere returns the worker of a route whose callers wait first. ended
// returns those of ids whose events have come to their end.
func NewElsewhere(a *Acceptor, ended func(ctx context.Context, ids []string) ([]string, error)) *Elsewhere {
	return &Elsewhere{acceptor: a, ended: ended}
}

// Name returns "callers <route>".
func (e *Elsewhere) Name() string { return "callers " + e.acceptor.route.Name() }

// Run asks until ctx is cancelled.
func (e *Elsewhere) Run(ctx context.Context) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for fails := 0; ; {
		if err := e.ask(ctx); err == nil {
			fails = 0
		} else if fails++; fails == 1 && ctx.Err() == nil {
			e.acceptor.log.Warn("what callers wait for is not known", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// ask looks once, for whoever waits.
func (e *Elsewhere) ask(ctx context.Context) error {
	ids := e.acceptor.waiters.ids()
	if len(ids) == 0 {
		return nil
	}
	ended, err := e.ended(ctx, ids)
	for _, id := range ended {
		e.acceptor.waiters.tell(id, ending{elsewhere: true})
	}
	return err
}
