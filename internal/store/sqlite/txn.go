package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// kind is what the events of one source and type have in common; it is stored once.
type kind struct{ source, typ, org string }

// delta is what a group changes in one route's ledger.
type delta struct {
	accepted, delivered, dead, redelivered, filtered, duplicates int64
}

// txn is one group commit in the making.
type txn struct {
	w      *writer
	now    int64
	ledger map[int64]*delta

	served  []*task  // claims that got events
	taken   []*entry // entries handed out
	settled []*entry // entries settled

	filling []filling       // events to be written
	open    map[int64]int64 // by how much the number of open events of a batch changes

	remembered []undoMemory // ids that became known
	memorized  int          // how many of the settling ids are in the table
	noted      int64        // the first end of a memory put into the table
}

// run runs the tasks, serves parked claims and books the ledger.
func (tx *txn) run(tasks []*task) error {
	for _, t := range tasks {
		if err := t.run(tx); err != nil {
			return err
		}
	}
	if err := tx.flush(); err != nil {
		return err
	}
	if err := tx.memorize(); err != nil {
		return err
	}
	// Before claims are served: what they load is found by these counts, and a
	// batch that a redrive opens again would be passed over for good.
	if err := tx.countOpen(); err != nil {
		return err
	}
	if err := tx.serve(); err != nil {
		return err
	}
	return tx.book()
}

// confirm finishes in memory what waited for the commit.
func (tx *txn) confirm() {
	flying := tx.w.rooms.flying
	for _, e := range tx.settled {
		// A claim of the same commit may have taken the event again by now.
		if flying[e.seq] == e {
			delete(flying, e.seq)
		}
	}
	tx.w.memories.confirm(tx)
}

// retract undoes in memory what a rebuild from the file would not.
func (tx *txn) retract() {
	flying := tx.w.rooms.flying
	for _, e := range tx.taken {
		if flying[e.seq] == e {
			delete(flying, e.seq)
		}
	}
	for _, e := range tx.settled {
		e.settled = false
		flying[e.seq] = e
	}
	tx.w.memories.forgetAgain(tx.remembered)
}

// of returns the ledger delta of a route.
func (tx *txn) of(route int64) *delta {
	d := tx.ledger[route]
	if d == nil {
		if tx.ledger == nil {
			tx.ledger = make(map[int64]*delta)
		}
		d = &delta{}
		tx.ledger[route] = d
	}
	return d
}

// book adds the deltas to the ledgers.
func (tx *txn) book() error {
	s := tx.w.stmts.book
	for route, d := range tx.ledger {
		if *d == (delta{}) {
			continue
		}
		for i, n := range [...]int64{d.accepted, d.delivered, d.dead, d.redelivered, d.filtered, d.duplicates, route} {
			s.BindInt64(i+1, n)
		}
		if _, err := step(s); err != nil {
			return fmt.Errorf("book ledger: %w", err)
		}
	}
	return nil
}

// route returns the number of a route, giving it one at first sight.
func (tx *txn) route(name string) (int64, error) {
	if id, ok := tx.w.routes[name]; ok {
		return id, nil
	}
	s := tx.w.stmts.route
	s.BindText(1, name)
	id, err := stepInt(s)
	if err != nil {
		return 0, fmt.Errorf("number route: %w", err)
	}
	tx.w.routes[name] = id
	return id, nil
}

// kindsKept bounds the kinds remembered; more can only come of a source that
// makes up types.
const kindsKept = 10_000

// kind returns the number of an event's kind, giving it one at first sight.
func (tx *txn) kind(e *event.Event) (int64, error) {
	k := kind{e.Source, e.Type, e.OrgID}
	if id, ok := tx.w.kinds[k]; ok {
		return id, nil
	}
	s := tx.w.stmts.kind
	s.BindText(1, k.source)
	s.BindText(2, k.typ)
	s.BindText(3, k.org)
	id, err := stepInt(s)
	if err != nil {
		return 0, fmt.Errorf("number kind: %w", err)
	}
	if len(tx.w.kinds) >= kindsKept {
		clear(tx.w.kinds)
	}
	tx.w.kinds[k] = id
	return id, nil
}

// step runs a statement that returns at most one row of no interest and makes
// it ready for its next use. It reports whether there was a row.
func step(s *sqlite.Stmt) (bool, error) {
	row, err := s.Step()
	if err != nil {
		return false, err
	}
	return row, s.Reset()
}

// stepInt runs a statement that returns one integer.
func stepInt(s *sqlite.Stmt) (int64, error) {
	row, err := s.Step()
	if err != nil {
		return 0, err
	}
	var n int64
	if row {
		n = s.ColumnInt64(0)
	}
	return n, s.Reset()
}
