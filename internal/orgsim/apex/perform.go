package apex

import (
	"context"
	"errors"
	"maps"
)

// perform runs a unit to its end: the transaction, or all those of a batch job, and
// the finalizer.
func (rt *Runtime) perform(u *unit) {
	if u.context != Sync {
		if err := rt.place(u); err != nil {
			u.entry.end(rt.cfg.Clock.Now(), asException(err))
			u.entry.settle()
			return
		}
		defer rt.leave(u)
	}
	u.entry.begin(rt.cfg.Clock.Now())
	if u.batch != nil {
		rt.performBatch(u)
		return
	}
	result := u.entry.draft()
	_, err := rt.transact(rt.ctx, u, u.steps, "steps", u.with, result)
	u.entry.publish(result)
	u.entry.end(rt.cfg.Clock.Now(), orNil(err))
	if len(u.finalizer) > 0 && !errors.Is(err, ErrClosed) {
		rt.finalize(u, orNil(err))
	}
	u.entry.settle()
}

func orNil(err error) *Exception {
	if err == nil {
		return nil
	}
	return asException(err)
}

// place waits for a worker, and counts the execution.
func (rt *Runtime) place(u *unit) error {
	places := rt.workers
	if u.batch != nil {
		places = rt.batches
	}
	select {
	case places <- struct{}{}:
	case <-rt.ctx.Done():
		return context.Cause(rt.ctx)
	}
	if u.batch != nil {
		rt.mu.Lock()
		rt.flexQueue--
		rt.mu.Unlock()
	}
	return nil
}

func (rt *Runtime) leave(u *unit) {
	if u.batch != nil {
		<-rt.batches
		return
	}
	<-rt.workers
}

// transact runs steps as one transaction and returns its variables. An error is why
// nothing of it was committed.
func (rt *Runtime) transact(ctx context.Context, u *unit, steps []Step, label string, with variables, result *Result) (variables, error) {
	t := &transaction{
		rt: rt, unit: u, result: result, limits: rt.cfg.limitsOf(u.context), vars: maps.Clone(with), sizes: make(map[string]int),
		began: rt.cfg.Clock.Now(), meter: newMeter(rt.cfg.Clock.Now()),
	}
	if t.vars == nil {
		t.vars = variables{}
	}
	defer t.abandon()
	err := rt.guard(t, func() error { return t.run(ctx, steps, label) })
	if _, done := err.(returned); done { //nolint:errorlint // never wrapped
		err, result.Value = nil, t.value
	}
	if err == nil {
		err = t.commit()
	}
	t.abandon()
	result.Limits = t.used.report(&t.limits)
	if err != nil {
		return nil, err
	}
	for _, job := range t.jobs {
		if rt.admit(job, u.entry.id()) {
			result.Jobs = append(result.Jobs, job.entry.id())
			rt.launch(job)
		}
	}
	return t.vars, nil
}

// guard refuses a synchronous transaction when too many have been running for long,
// and meters it otherwise.
func (rt *Runtime) guard(t *transaction, run func() error) error {
	if t.unit.context != Sync {
		return run()
	}
	rt.mu.Lock()
	long, now := 0, rt.cfg.Clock.Now()
	for m := range rt.meters {
		if m.busy(now) > longRunning {
			long++
		}
	}
	if long >= rt.cfg.LongRunning {
		rt.mu.Unlock()
		return exceeded("ConcurrentPerOrgLongTxn Limit exceeded")
	}
	rt.meters[t.meter] = struct{}{}
	rt.mu.Unlock()
	defer func() {
		rt.mu.Lock()
		defer rt.mu.Unlock()
		delete(rt.meters, t.meter)
	}()
	return run()
}

// finalize runs a queueable's finalizer: a transaction of its own, that sees how
// the job ended and may start one job.
func (rt *Runtime) finalize(u *unit, failed *Exception) {
	view := map[string]any{"result": "SUCCESS", "jobId": u.entry.id(), "exception": nil}
	if failed != nil {
		view["result"] = "UNHANDLED_EXCEPTION"
		view["exception"] = map[string]any{"type": failed.Type, "message": failed.Message}
		if failed.Type == limitException { // told as the platform tells it
			view["exception"] = map[string]any{"type": asyncException, "message": failed.Error()}
		}
	}
	with := maps.Clone(u.with)
	if with == nil {
		with = variables{}
	}
	with["finalizer"] = view
	result := &Result{}
	_, err := rt.transact(rt.ctx, u, u.finalizer, "finalizer", with, result)
	u.entry.finalized(result, orNil(err))
}
