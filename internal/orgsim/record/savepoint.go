package record

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Savepoint is a state of a transaction to go back to, as Apex sets them. Going
// back to one makes those set after it invalid.
type Savepoint struct {
	name    string
	changes map[salesforce.ID]*Change
	order   []salesforce.ID
	silent  bool
}

// ErrSavepointGone is returned for a savepoint of another transaction, and for one
// that a rollback to an earlier one, or its release, made invalid.
var ErrSavepointGone = errors.New("savepoint is no longer valid")

// Savepoint marks the state of the transaction.
func (t *Tx) Savepoint() (*Savepoint, error) {
	s := &Savepoint{name: "apex" + strconv.Itoa(len(t.savepoints)), order: slices.Clone(t.order), silent: t.silent}
	s.changes = t.copyChanges()
	if err := t.e.exec("SAVEPOINT " + s.name); err != nil {
		return nil, err
	}
	t.savepoints = append(t.savepoints, s)
	return s, nil
}

// RollbackTo undoes what was written since s was set. s stays valid.
func (t *Tx) RollbackTo(s *Savepoint) error {
	i := slices.Index(t.savepoints, s)
	if i < 0 || t.done {
		return ErrSavepointGone
	}
	if err := t.e.exec("ROLLBACK TO " + s.name); err != nil {
		return fmt.Errorf("roll back to savepoint: %w", err)
	}
	t.savepoints = t.savepoints[:i+1]
	t.changes, t.order, t.silent = s.changes, slices.Clone(s.order), s.silent
	s.changes = t.copyChanges() // it can be gone back to again
	return nil
}

// Release forgets s and those set after it, and keeps what was written since.
func (t *Tx) Release(s *Savepoint) error {
	i := slices.Index(t.savepoints, s)
	if i < 0 || t.done {
		return ErrSavepointGone
	}
	t.savepoints = t.savepoints[:i]
	return t.e.exec("RELEASE " + s.name)
}

func (t *Tx) copyChanges() map[salesforce.ID]*Change {
	changes := make(map[salesforce.ID]*Change, len(t.changes))
	for id, c := range t.changes {
		kept := *c
		changes[id] = &kept
	}
	return changes
}
