package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// progress is what the file knows of an event's progress; the zero value is that of
// an event no one has claimed yet, which has no row.
type progress struct {
	state, attempts, redelivered int
	claim, due, ended            int64
	unanswered                   bool
	touched                      bool // there is a row
}

const progressQuery = "SELECT seq, state, claim, attempts, redelivered, unanswered, due, ended FROM progress WHERE seq BETWEEN ? AND ?"

// readProgress returns the progress of the n events from first on.
func readProgress(s *sqlite.Stmt, first int64, n int) ([]progress, error) {
	all := make([]progress, n)
	s.BindInt64(1, first)
	s.BindInt64(2, first+int64(n)-1)
	for {
		row, err := s.Step()
		if err != nil {
			return nil, fmt.Errorf("read progress: %w", err)
		}
		if !row {
			return all, s.Reset()
		}
		all[s.ColumnInt64(0)-first] = progress{
			state: s.ColumnInt(1), claim: s.ColumnInt64(2), attempts: s.ColumnInt(3), redelivered: s.ColumnInt(4),
			unanswered: s.ColumnBool(5), due: s.ColumnInt64(6), ended: s.ColumnInt64(7), touched: true,
		}
	}
}

// loadBatches bounds the batches of one load: when each holds one event, reading
// as many as are wanted would keep the writer too long from everybody else.
const loadBatches = 512

// load reads waiting events from the file into a room's line.
func (tx *txn) load(r *room, from int64, rows int) error {
	to, end := from-1, false
	for read, batches := 0, 0; read < rows && batches < loadBatches; batches++ {
		first, ok, err := tx.nextOpen(r.route, to+1)
		if err != nil {
			return fmt.Errorf("load waiting events: %w", err)
		}
		if end = !ok; end {
			break
		}
		n := 0
		if n, to, err = tx.loadBatch(r, first, max(from, to+1), rows-read); err != nil {
			return fmt.Errorf("load waiting events: %w", err)
		}
		read += n
	}
	r.line.loaded(to, end)
	return nil
}

// nextOpen finds the first batch of a route that has an open event and an event
// from seq on.
func (tx *txn) nextOpen(route, seq int64) (first int64, ok bool, err error) {
	s := tx.w.stmts.nextOpen
	s.BindInt64(1, route)
	s.BindInt64(2, seq-batchEvents+1)
	s.BindInt64(3, seq)
	if ok, err = s.Step(); err != nil {
		return 0, false, err
	}
	if ok {
		first = s.ColumnInt64(0)
	}
	return first, ok, s.Reset()
}

// loadBatch offers the waiting events of a batch from seq on to a room, at most
// rows, and reports how many those were and which event it came to.
func (tx *txn) loadBatch(r *room, first, from int64, rows int) (n int, to int64, err error) {
	v, err := tx.volume(first, false)
	if err != nil {
		return 0, 0, err
	}
	steps, err := readProgress(tx.w.stmts.readProgress, first, v.n)
	if err != nil {
		return 0, 0, err
	}
	for i := max(from-first, 0); i < int64(v.n); i++ {
		if n == rows {
			return n, first + i - 1, nil
		}
		if p := &steps[i]; p.state == rowWaiting {
			n++
			tx.w.rooms.meet(r, waiting(v, int(i), p), tx.now)
		}
	}
	return n, first + int64(v.n) - 1, nil
}

// waiting makes the entry of an event as the file has it.
func waiting(v *volume, i int, p *progress) *entry {
	return &entry{
		seq: v.first + int64(i), batch: v.first, lane: v.traits[i].lane, touched: p.touched, token: p.claim,
		attempts: p.attempts, unanswered: p.unanswered, due: p.due, accepted: v.accepted,
	}
}
