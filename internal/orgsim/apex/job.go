package apex

import (
	"cmp"
	"time"
)

// enqueue keeps a job for the commit and returns its id, which is good from then on.
func (t *transaction) enqueue(j *Job, kind Context) (any, error) {
	if err := t.allowJob(j, kind); err != nil {
		return nil, err
	}
	with, err := t.vars.resolve(j.With)
	if err != nil {
		return nil, err
	}
	u := &unit{
		entry: t.rt.newEntry(), script: t.unit.script, context: kind, class: cmp.Or(j.Class, t.unit.class), user: t.unit.user,
		steps: j.Steps, finalizer: j.Finalizer, with: asMap(with), delay: time.Duration(j.Delay), callouts: j.Callout, depth: 1,
		signature: j.Signature,
	}
	if kind == Queueable && t.unit.context == Queueable {
		u.depth = t.unit.depth + 1
	}
	if class := t.unit.script.Classes[j.Class]; class != nil {
		u.steps, u.batch = class.Steps, class.Batch
		if len(u.finalizer) == 0 && kind == Queueable {
			u.finalizer = class.Finalizer
		}
	}
	if u.batch != nil && j.Scope > 0 {
		scoped := *u.batch
		scoped.Scope = j.Scope
		u.batch = &scoped
	}
	t.jobs = append(t.jobs, u)
	t.work++
	return u.entry.id(), nil
}

func (t *transaction) allowJob(j *Job, kind Context) error {
	switch kind {
	case Queueable:
		if j.Signature != "" && t.rt.waitsUnder(j.Signature) {
			return throw(duplicateMessage, "A job with the same signature is queued already.")
		}
		if err := take(&t.used.queueables, 1, t.limits.Queueables, "queueable jobs added to the queue"); err != nil {
			return err
		}
		bound := cmp.Or(j.MaxDepth, t.rt.cfg.MaxChain)
		if t.unit.context == Queueable && bound > 0 && t.unit.depth >= bound {
			return throw(asyncException, "Maximum stack depth has been reached.")
		}
	case Future:
		if t.unit.context == Future || t.unit.context == Batch {
			return throw(asyncException, "Future method cannot be called from a future or batch method: %s", cmp.Or(j.Class, t.unit.class))
		}
		if err := take(&t.used.futures, 1, t.limits.Future, "future calls"); err != nil {
			return err
		}
	case Batch:
		if err := t.rt.flexPlace(t); err != nil {
			return err
		}
	}
	return t.rt.countAsync(1)
}

// waitsUnder says whether a job of a signature has been committed and not begun.
func (rt *Runtime) waitsUnder(signature string) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.signed[signature]
}

// flexPlace says whether one more batch job may wait.
func (rt *Runtime) flexPlace(t *transaction) error {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	waiting := rt.flexQueue
	for _, job := range t.jobs {
		if job.batch != nil {
			waiting++
		}
	}
	if waiting >= rt.cfg.FlexQueue {
		return throw(asyncException, "You've exceeded the limit of %d jobs in the flex queue for org %s. Wait for some of your batch jobs "+
			"to finish before adding more. To monitor and reorder jobs, use the Apex Flex Queue page in Setup.", rt.cfg.FlexQueue, rt.cfg.OrgID.Short())
	}
	return nil
}

// countAsync counts asynchronous executions of the last 24 hours.
func (rt *Runtime) countAsync(n int) error {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	now := rt.cfg.Clock.Now()
	old := 0
	for old < len(rt.async) && now.Sub(rt.async[old]) >= 24*time.Hour {
		old++
	}
	rt.async = rt.async[old:]
	if len(rt.async)+n > rt.cfg.DailyAsync {
		return throw(asyncException, "AsyncApexExecutions Limit exceeded")
	}
	for range n {
		rt.async = append(rt.async, now)
	}
	return nil
}
