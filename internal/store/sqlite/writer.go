package sqlite

import (
	"log/slog"
	"runtime"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var errClosed = contract.ErrClosed

// groupLimit bounds the tasks of one commit, so that a flood of callers still
// gets answers.
const groupLimit = 4096

// writer owns the writing connection and the rooms. Its loop is the only
// goroutine that touches them; tasks reach it through a queue.
type writer struct {
	conn   *sqlite.Conn
	stmts  *statements
	rooms  *rooms
	wal    *wal
	now    func() time.Time
	poll   time.Duration
	logger *slog.Logger
	epoch  int64

	seq    int64 // last sequence number given out
	token  int64 // last claim token given out
	routes map[string]int64
	kinds  map[kind]int64
	// kindsByNumber and shelf keep what was read back.
	kindsByNumber map[int64]kind
	shelf         *shelf
	// packed and body are the buffers of the next batch.
	packed, body, ids []byte
	// memories are the ids known again.
	memories *memories
	// trail says which routes have an audit trail, owner who writes it.
	trail contract.TrailScope
	owner string
	// broken is the failure after which the file is no longer written.
	broken error

	mu     sync.Mutex // guards queue and closed
	queue  []*task
	closed bool
	wake   chan struct{} // capacity 1
	done   chan struct{} // closed when the loop has ended
}

// submit queues a task for the next group.
func (w *writer) submit(t *task) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.queue = append(w.queue, t)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// stop ends the loop after the tasks queued so far.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	<-w.done
}

// loop runs groups until stop.
func (w *writer) loop() {
	defer close(w.done)
	timer := time.NewTimer(w.poll)
	defer timer.Stop()
	for {
		// Who is about to hand over a task does so before the group is closed:
		// where there are more callers than processors, a commit is shared by more of them.
		runtime.Gosched()
		tasks, closed := w.gather()
		if len(tasks) > 0 || w.rooms.claimable(w.now().UnixMicro()) {
			w.group(tasks)
			w.wal.tend(w.conn)
			continue
		}
		if closed {
			w.rooms.abandon(errClosed)
			return
		}
		timer.Reset(w.rooms.idle(w.now(), w.poll))
		select {
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// gather takes what is queued, at most groupLimit tasks.
func (w *writer) gather() (tasks []*task, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), groupLimit)
	tasks = w.queue[:n:n]
	w.queue = w.queue[n:]
	if len(w.queue) == 0 {
		w.queue = nil
	}
	return tasks, w.closed
}

// group runs the tasks in one transaction and answers them. When one of them
// cannot be written, the others are run one by one, so that nobody fails for a
// stranger's fault; when the disk is at fault all of them fail.
func (w *writer) group(tasks []*task) {
	tasks = w.accept(tasks)
	served, err := w.transact(tasks)
	if err != nil && len(tasks) > 1 && !w.unwritable(err) {
		answer(served, nil) // nothing was claimed: they ask again
		for _, t := range tasks {
			t.err = nil
			served, err := w.transact([]*task{t})
			t.finish(err)
			answer(served, err)
		}
		return
	}
	if err != nil && (len(tasks) == 0 || w.unwritable(err)) {
		served = append(served, w.rooms.unpark()...)
	}
	answer(tasks, err)
	answer(served, err)
}

// answer finishes tasks alike.
func answer(tasks []*task, err error) {
	for _, t := range tasks {
		if t.claim != nil && err != nil {
			t.claim.got = nil
		}
		t.finish(err)
	}
}

// accept parks the claims among tasks and drops those tasks whose callers have
// gone away.
func (w *writer) accept(tasks []*task) []*task {
	kept := tasks[:0]
	for _, t := range tasks {
		switch {
		case t.claim != nil:
			w.rooms.park(t)
		case t.take():
			kept = append(kept, t)
		}
	}
	return kept
}

// transact runs tasks, serves the parked claims that can be served, and
// commits. It returns the claims that were served. After an error nothing has
// happened, and memory is rebuilt from the file before its next use.
func (w *writer) transact(tasks []*task) (served []*task, err error) {
	if w.broken != nil {
		return nil, w.broken
	}
	if _, err := step(w.stmts.begin); err != nil {
		return nil, w.failure("begin commit", err)
	}
	tx := &txn{w: w, now: w.now().UnixMicro(), noted: forever}
	err = tx.run(tasks)
	if err == nil {
		_, err = step(w.stmts.commit)
	}
	if err != nil {
		err = w.failure("commit", err)
		w.undo(tx)
		return tx.served, err
	}
	tx.confirm()
	return tx.served, nil
}

// undo takes a failed transaction back, in the file and in memory.
func (w *writer) undo(tx *txn) {
	if !w.conn.AutocommitEnabled() {
		if _, err := step(w.stmts.rollback); err != nil && w.broken == nil {
			w.broken = w.failure("undo commit", err)
		}
	}
	tx.retract()
	w.rooms.invalidate()
	w.routes, w.kinds = map[string]int64{}, map[kind]int64{}
	clear(w.kindsByNumber)
	w.shelf.clear()
}

// failure gives a SQLite error its three answers, and stops all writing when
// the file can no longer be trusted to hold what it is told.
func (w *writer) failure(op string, err error) error {
	e := &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: err}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultFull:
		e.Healing = event.Transient
		e.Hint = "free disk space; the store goes on by itself"
	case sqlite.ResultBusy, sqlite.ResultLocked:
		e.Healing = event.Transient
		e.Hint = "another program holds a lock on the store's file"
	case sqlite.ResultIOErr, sqlite.ResultCorrupt, sqlite.ResultNotADB:
		// After a failed fsync the log may hold this commit after all, and what
		// the kernel still has of it is unknown: only a reopen can tell.
		e.Happened = event.HappenedUnknown
		e.Hint = "check the disk, then restart: the store stopped writing"
		if w.broken == nil {
			w.broken = e
			w.logger.Error("store stopped writing", "err", err)
		}
	}
	return e
}

// unwritable reports whether err would meet every task alike.
func (w *writer) unwritable(err error) bool {
	if w.broken != nil {
		return true
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultFull, sqlite.ResultIOErr, sqlite.ResultCorrupt, sqlite.ResultNotADB,
		sqlite.ResultBusy, sqlite.ResultLocked, sqlite.ResultNoMem, sqlite.ResultReadOnly, sqlite.ResultCantOpen:
		return true
	}
	return false
}
