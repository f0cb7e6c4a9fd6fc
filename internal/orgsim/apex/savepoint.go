package apex

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// savepoint is what a rollback goes back to. Counters do not go back.
type savepoint struct {
	name                string
	rec                 *record.Savepoint
	work, pending, jobs int
}

// setSavepoint counts as a statement, as a rollback does.
func (t *transaction) setSavepoint(ctx context.Context, name string) error {
	if err := take(&t.used.dmlStatements, 1, t.limits.DMLStatements, "DML statements"); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	rec, err := t.rec.Savepoint()
	if err != nil {
		return err
	}
	t.savepoints = append(t.savepoints, &savepoint{name: name, rec: rec, work: t.work, pending: len(t.pending), jobs: len(t.jobs)})
	return nil
}

// savepointAt finds the last valid savepoint of the name.
func (t *transaction) savepointAt(name string) (int, error) {
	for i := len(t.savepoints) - 1; i >= 0; i-- {
		if t.savepoints[i].name == name {
			return i, nil
		}
	}
	return 0, throw(typeException, "Savepoint %s is not valid: it was not set, was released, or an earlier one was rolled back to", name)
}

func (t *transaction) rollbackTo(name string) error {
	if err := take(&t.used.dmlStatements, 1, t.limits.DMLStatements, "DML statements"); err != nil {
		return err
	}
	i, err := t.savepointAt(name)
	if err != nil {
		return err
	}
	s := t.savepoints[i]
	if err := t.rec.RollbackTo(s.rec); err != nil {
		return err
	}
	t.savepoints = t.savepoints[:i+1]
	t.work, t.pending, t.jobs = s.work, t.pending[:s.pending], t.jobs[:s.jobs]
	return nil
}

// releaseSavepoint forgets a savepoint and those after it. With no work left the
// transaction may call out again.
func (t *transaction) releaseSavepoint(name string) error {
	i, err := t.savepointAt(name)
	if err != nil {
		return err
	}
	if err := t.rec.Release(t.savepoints[i].rec); err != nil {
		return err
	}
	t.savepoints = t.savepoints[:i]
	return nil
}
