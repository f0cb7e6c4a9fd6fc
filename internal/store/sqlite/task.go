package sqlite

import (
	"context"
	"sync/atomic"
)

// The states of a task. Only who moves it out of taskWaiting may answer it:
// the writer (taken) or its caller, who has gone away (cancelled).
const (
	taskWaiting int32 = iota
	taskTaken
	taskCancelled
)

// task is one caller's share of a group commit.
type task struct {
	// run does the work inside the writer's transaction. An error means that a
	// statement failed and the whole transaction must be undone; a refusal that
	// wrote nothing goes into err instead. It may be run twice.
	run func(tx *txn) error
	// claim is set instead of run for a task that waits for events; answered
	// without events and without an error it must ask again.
	claim *claim

	state atomic.Int32
	err   error
	done  chan struct{}
}

func newTask(run func(tx *txn) error) *task {
	return &task{run: run, done: make(chan struct{})}
}

// take makes the task the writer's; false when its caller has gone away.
func (t *task) take() bool {
	return t.state.CompareAndSwap(taskWaiting, taskTaken) || t.state.Load() == taskTaken
}

// finish answers the caller.
func (t *task) finish(err error) {
	if err != nil {
		t.err = err
	}
	close(t.done)
}

// wait blocks until the task is answered. A ctx done before the writer took
// the task withdraws it with nothing done; afterwards the answer is one commit
// away and is awaited.
func (t *task) wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
	}
	if t.state.CompareAndSwap(taskWaiting, taskCancelled) {
		return ctx.Err()
	}
	<-t.done
	return t.err
}
