package apex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// transaction is one that runs. Not safe for concurrent use, [transaction.busy] excepted.
type transaction struct {
	rt     *Runtime
	unit   *unit
	result *Result
	limits Limits
	used   used
	vars   variables
	sizes  map[string]int // of variables, on the heap
	held   int            // bytes on the heap that are no variable's
	began  time.Time
	meter  *meter

	// rec is the open record transaction: nil until there is work to commit.
	rec        *record.Tx
	work       int // statements, events and jobs that wait for the commit
	savepoints []*savepoint
	pending    []pendingEvent
	jobs       []*unit
	value      any // of return
}

// pendingEvent is published by the commit.
type pendingEvent struct {
	id     string
	object *schema.Object
	row    record.Row
}

// returned ends the steps of a transaction without a failure.
type returned struct{}

func (returned) Error() string { return "return" }

// run does the steps. Errors are exceptions, [returned], or what the simulator
// itself failed at.
func (t *transaction) run(ctx context.Context, steps []Step, label string) error {
	for i := range steps {
		s := &steps[i]
		err := t.step(ctx, s)
		if err == nil {
			continue
		}
		if _, done := err.(returned); done { //nolint:errorlint // never wrapped
			return err
		}
		e := asException(err)
		key, _ := s.action() // checked when the script was read
		if e.Line == 0 {
			e.Line = s.Line
		}
		at := fmt.Sprintf("%s[%d].%s", label, i, key)
		if e.Step != "" {
			at += "." + e.Step
		}
		e.Step = at
		return e
	}
	return nil
}

func (t *transaction) step(ctx context.Context, s *Step) error {
	if err := t.spend(stepCPU); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if t.rt.cfg.Clock.Now().Sub(t.began) > t.limits.Wall {
		return exceeded("Maximum transaction time of %v exceeded", t.limits.Wall)
	}
	v, err := t.act(ctx, s)
	if _, thrown := errors.AsType[*Exception](err); err != nil && !thrown && ctx.Err() != nil {
		return stopped(ctx)
	}
	if err != nil || s.As == "" {
		return err
	}
	size := sizeOf(v)
	if s.Callout != nil {
		size -= sizeOf(asMap(v)["json"]) // another view of the body
	}
	return t.assign(s.As, v, size)
}

func stopped(ctx context.Context) error { return fmt.Errorf("the org stops: %w", context.Cause(ctx)) }

// act does the step's action and returns its value.
func (t *transaction) act(ctx context.Context, s *Step) (any, error) {
	switch {
	case s.Insert != nil:
		return t.dml(ctx, insert, s.Insert)
	case s.Update != nil:
		return t.dml(ctx, update, s.Update)
	case s.Upsert != nil:
		return t.dml(ctx, upsert, s.Upsert)
	case s.Delete != nil:
		return t.dml(ctx, remove, s.Delete)
	case s.Undelete != nil:
		return t.dml(ctx, undelete, s.Undelete)
	case s.Query != nil:
		return t.query(ctx, s.Query)
	case s.Publish != nil:
		return t.publish(s.Publish)
	case s.Callout != nil:
		return t.callout(ctx, s.Callout)
	case s.Collect != nil:
		return t.collect(s.Collect)
	case s.Savepoint != nil:
		return nil, t.setSavepoint(ctx, *s.Savepoint)
	case s.Rollback != nil:
		return nil, t.rollbackTo(*s.Rollback)
	case s.Release != nil:
		return nil, t.releaseSavepoint(*s.Release)
	case s.EnqueueJob != nil:
		return t.enqueue(s.EnqueueJob, Queueable)
	case s.Future != nil:
		return t.enqueue(s.Future, Future)
	case s.ExecuteBatch != nil:
		return t.enqueue(s.ExecuteBatch, Batch)
	case s.Schedule != nil:
		return t.enqueue(s.Schedule, Scheduled)
	}
	return nil, t.control(ctx, s)
}

// control does the steps that have no value.
func (t *transaction) control(ctx context.Context, s *Step) error {
	switch {
	case s.ForEach != nil:
		return t.forEach(ctx, s.ForEach)
	case s.If != nil:
		return t.branch(ctx, s)
	case s.Try != nil:
		return t.try(ctx, s)
	case s.Throw != nil:
		return t.throw(s.Throw)
	case s.Assert != nil:
		return t.assert(s.Assert)
	case s.Set != nil:
		return t.set(s.Set)
	case s.Log != nil:
		return t.log(*s.Log)
	case s.Return != nil:
		v, err := t.vars.resolve(*s.Return)
		if err != nil {
			return err
		}
		t.value = v
		return returned{}
	case s.CPU != nil:
		return t.spend(time.Duration(*s.CPU))
	case s.Wait != nil:
		return t.rt.cfg.Clock.Sleep(ctx, time.Duration(*s.Wait))
	case s.Heap != nil:
		t.held += *s.Heap
		return t.checkHeap(0)
	}
	return badScript("the step has no action")
}

// spend uses processor time.
func (t *transaction) spend(d time.Duration) error {
	if t.used.cpu += d; t.used.cpu > t.limits.CPU {
		return exceeded("Apex CPU time limit exceeded")
	}
	return nil
}

// assign gives a variable a value and the heap its size.
func (t *transaction) assign(name string, v any, size int) error {
	t.held += size - t.sizes[name]
	t.sizes[name] = size
	t.vars[name] = v
	return t.checkHeap(0)
}

// checkHeap refuses a heap that is too large with extra bytes on it.
func (t *transaction) checkHeap(extra int) error {
	t.used.peak = max(t.used.peak, t.held+extra)
	if t.held+extra > t.limits.Heap {
		return exceeded("Apex heap size too large: %d", t.held+extra)
	}
	return nil
}

func (t *transaction) set(values map[string]any) error {
	for name, v := range values {
		resolved, err := t.vars.resolve(v)
		if err != nil {
			return err
		}
		if err := t.assign(name, resolved, sizeOf(resolved)); err != nil {
			return err
		}
	}
	return nil
}

// maxLog is how many lines of a transaction are kept.
const maxLog = 1_000

func (t *transaction) log(line string) error {
	expanded, err := t.vars.expandText(line)
	if err != nil {
		return err
	}
	switch n := len(t.result.Log); {
	case n < maxLog:
		t.result.Log = append(t.result.Log, expanded)
	case n == maxLog:
		t.result.Log = append(t.result.Log, "*** more is left out")
	}
	return nil
}

// open makes sure that there is a record transaction.
func (t *transaction) open(ctx context.Context) error {
	if t.rec != nil {
		return nil
	}
	rec, err := t.rt.cfg.Records.Begin(ctx, record.Actor{User: t.unit.user, Origin: t.unit.script.Origin})
	t.rec = rec
	return err
}

// uncommitted says that there is work, or a savepoint, that a callout would have to
// wait for. When there is none, it lets the engine go.
func (t *transaction) uncommitted() bool {
	if t.work > 0 || len(t.savepoints) > 0 {
		return true
	}
	t.abandon()
	return false
}

func (t *transaction) abandon() {
	if t.rec != nil {
		t.rec.Rollback()
		t.rec = nil
	}
}

// commit makes the work last, then publishes what waited for it.
func (t *transaction) commit() error {
	if t.rec != nil {
		rec := t.rec
		t.rec = nil
		if err := rec.Commit(); err != nil {
			return err
		}
	}
	for _, e := range t.pending {
		if _, err := t.rt.cfg.Publisher.PublishAs(e.id, e.object, e.row, t.unit.user); err != nil {
			t.rt.cfg.Logger.Warn("lose an event that was published after commit", "event", e.object.Name, "error", err)
			t.result.Lost = append(t.result.Lost, e.id)
		}
	}
	return nil
}

// encode writes JSON as Apex's JSON.serialize does: no escapes for HTML.
func encode(v any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return []byte("null") // values are of plain types
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}
