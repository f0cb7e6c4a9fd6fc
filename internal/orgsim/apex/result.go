package apex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Status is where a transaction is.
type Status string

// The statuses. A batch job with failed parts is Completed, as on the platform; its
// counters tell.
const (
	Queued    Status = "Queued"
	Running   Status = "Running"
	Completed Status = "Completed"
	Failed    Status = "Failed"
)

// Result is what became of a transaction.
type Result struct {
	ID       string    `json:"id"`
	Parent   string    `json:"parent,omitempty"`
	Name     string    `json:"name"`
	Context  Context   `json:"context"`
	Status   Status    `json:"status"`
	Enqueued time.Time `json:"enqueued"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// Exception is why it failed, of a batch job the first of its parts' failures.
	Exception *Exception       `json:"exception,omitempty"`
	Limits    map[string]Usage `json:"limits,omitempty"`
	Jobs      []string         `json:"jobs,omitempty"`
	Callouts  []CallTrace      `json:"callouts,omitempty"`
	Log       []string         `json:"log,omitempty"`
	Value     any              `json:"value,omitempty"` // of return
	// Lost are the UUIDs of events that could not be published after the commit.
	Lost      []string     `json:"lost,omitempty"`
	Batch     *BatchResult `json:"batch,omitempty"`
	Finalizer *Result      `json:"finalizer,omitempty"`
}

// join adds what a part of a batch job left behind.
func (r *Result) join(part *Result) {
	r.Jobs = append(r.Jobs, part.Jobs...)
	r.Lost = append(r.Lost, part.Lost...)
	r.Callouts = append(r.Callouts, part.Callouts...)
	r.Log = append(r.Log, part.Log[:min(len(part.Log), max(0, maxLog-len(r.Log)))]...)
	if r.Limits == nil { // of the first part, as an example
		r.Limits = part.Limits
	}
}

// entry is a transaction in the history.
type entry struct {
	key string // the id

	mu      sync.Mutex
	result  Result
	settled chan struct{} // closed when it and its finalizer are over
}

// newEntry gives a transaction its id. It is not in the history before [Runtime.admit].
func (rt *Runtime) newEntry() *entry {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.number++
	id, err := salesforce.ParseID(fmt.Sprintf("707Sp0%09d", rt.number))
	if err != nil {
		panic(fmt.Sprintf("make a job id: %v", err)) // digits only
	}
	return &entry{key: string(id), result: Result{ID: string(id)}, settled: make(chan struct{})}
}

// admit puts a unit into the history; false when the runtime is closed.
func (rt *Runtime) admit(u *unit, parent string) bool {
	if u.entry == nil {
		u.entry = rt.newEntry()
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.closed {
		return false
	}
	r := &u.entry.result
	r.Parent, r.Name, r.Context, r.Status, r.Enqueued = parent, u.class, u.context, Queued, rt.cfg.Clock.Now().UTC()
	rt.history = append(rt.history, u.entry)
	rt.byID[r.ID] = u.entry
	if u.batch != nil {
		rt.flexQueue++
	}
	rt.forgetLocked()
	return true
}

// forgetLocked drops the oldest finished transactions beyond the history's length.
func (rt *Runtime) forgetLocked() {
	surplus := len(rt.history) - rt.cfg.History
	if surplus <= 0 {
		return
	}
	rt.history = slices.DeleteFunc(rt.history, func(e *entry) bool {
		select {
		case <-e.settled:
		default:
			return false
		}
		if surplus == 0 {
			return false
		}
		surplus--
		delete(rt.byID, e.id())
		return true
	})
}

func (e *entry) id() string { return e.key }

// draft returns a copy to fill in while others look at the entry.
func (e *entry) draft() *Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.result
	return &r
}

// publish shows what a draft has got so far.
func (e *entry) publish(draft *Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.result = *draft.clone()
}

func (r *Result) clone() *Result {
	c := *r
	c.Jobs, c.Callouts, c.Log, c.Lost = slices.Clone(r.Jobs), slices.Clone(r.Callouts), slices.Clone(r.Log), slices.Clone(r.Lost)
	if r.Batch != nil {
		b := *r.Batch
		b.Chunks = slices.Clone(b.Chunks)
		c.Batch = &b
	}
	return &c
}

func (e *entry) begin(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.result.Status, e.result.Started = Running, now.UTC()
}

// end tells how the transaction ended.
func (e *entry) end(now time.Time, failed *Exception) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.result.Status, e.result.Finished = Completed, now.UTC()
	if failed != nil {
		e.result.Status, e.result.Exception = Failed, failed
	}
}

func (e *entry) finalized(result *Result, failed *Exception) {
	e.mu.Lock()
	defer e.mu.Unlock()
	result.Name, result.Context, result.Status, result.Exception = e.result.Name, e.result.Context, Completed, failed
	if failed != nil {
		result.Status = Failed
	}
	e.result.Finalizer = result
}

func (e *entry) settle() { close(e.settled) }

func (e *entry) snapshot() *Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.result.clone()
}

// Result returns a transaction of the history as it is now.
func (rt *Runtime) Result(id string) (*Result, bool) {
	rt.mu.Lock()
	e, ok := rt.byID[id]
	rt.mu.Unlock()
	if !ok {
		return nil, false
	}
	return e.snapshot(), true
}

// Results returns the history, oldest first.
func (rt *Runtime) Results() []*Result {
	rt.mu.Lock()
	history := slices.Clone(rt.history)
	rt.mu.Unlock()
	results := make([]*Result, len(history))
	for i, e := range history {
		results[i] = e.snapshot()
	}
	return results
}

// ErrUnknown is returned for a transaction that is not, or no longer, in the history.
var ErrUnknown = errors.New("no such transaction")

// Wait waits for the end of a transaction, its finalizer included.
func (rt *Runtime) Wait(ctx context.Context, id string) (*Result, error) {
	rt.mu.Lock()
	e, ok := rt.byID[id]
	rt.mu.Unlock()
	if !ok {
		return nil, ErrUnknown
	}
	select {
	case <-e.settled:
		return e.snapshot(), nil
	case <-rt.ctx.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for transaction: %w", context.Cause(ctx))
	}
}

// WaitAll is [Runtime.Wait] for a transaction and every job that comes of it.
func (rt *Runtime) WaitAll(ctx context.Context, id string) (*Result, error) {
	r, err := rt.Wait(ctx, id)
	if err != nil {
		return nil, err
	}
	jobs := slices.Clone(r.Jobs)
	if r.Finalizer != nil {
		jobs = append(jobs, r.Finalizer.Jobs...)
	}
	for _, job := range jobs {
		if _, err := rt.WaitAll(ctx, job); err != nil && !errors.Is(err, ErrUnknown) {
			return nil, err
		}
	}
	return r, nil
}
