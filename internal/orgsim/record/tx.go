package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Actor is on whose behalf, and through which API, a transaction runs.
type Actor struct {
	User   salesforce.ID
	Origin string // as in [Transaction.Origin]
	// AllowDuplicates saves records that a duplicate rule only warns of.
	AllowDuplicates bool
}

// Tx is one open transaction. It owns the engine until Commit or Rollback, so it
// must be short and must not wait for anyone who needs the engine. An operation
// that returns an error has written nothing and leaves the transaction usable.
// Not safe for concurrent use.
type Tx struct {
	e       *Engine
	before  func(Write) error // nil allows all
	actor   Actor
	at      time.Time
	changes map[salesforce.ID]*Change
	order   []salesforce.ID // in which records were first touched
	silent  bool
	done    bool

	savepoints []*Savepoint // those that are valid, in order
}

// Begin opens a transaction. It blocks until the engine is free or ctx ends.
func (e *Engine) Begin(ctx context.Context, actor Actor) (*Tx, error) {
	if err := e.lock(ctx); err != nil {
		return nil, err
	}
	if err := e.exec("BEGIN IMMEDIATE"); err != nil {
		e.unlock()
		return nil, err
	}
	tx := &Tx{e: e, actor: actor, at: e.cfg.Now().UTC(), changes: map[salesforce.ID]*Change{}}
	if e.cfg.Before != nil {
		tx.before = func(w Write) error { return e.cfg.Before(ctx, w) }
	}
	if tx.at.Sub(e.emptied) >= binRound {
		if err := tx.emptyBin(); err != nil {
			tx.Rollback()
			return nil, err
		}
		e.emptied = tx.at
	}
	return tx, nil
}

// Commit makes the writes last, tells the listener, and releases the engine. A
// transaction that changed nothing is not told.
func (t *Tx) Commit() error {
	if t.done {
		return errors.New("commit a finished transaction")
	}
	if err := t.e.exec("COMMIT"); err != nil {
		t.Rollback()
		return err
	}
	t.done = true
	defer t.e.unlock()
	if changes := t.collect(); len(changes) > 0 && t.e.cfg.Listener != nil && !t.silent {
		t.e.cfg.Listener.Committed(Transaction{
			Key: uuid.NewString(), At: t.at, User: t.actor.User, Origin: t.actor.Origin, Changes: changes,
		})
	}
	return nil
}

// Rollback undoes the writes and releases the engine; after Commit it does nothing.
func (t *Tx) Rollback() {
	if t.done {
		return
	}
	t.done = true
	if !t.e.conn.AutocommitEnabled() {
		if err := t.e.exec("ROLLBACK"); err != nil {
			panic(fmt.Sprintf("roll back: %v", err)) // only a broken connection refuses
		}
	}
	t.e.unlock()
}

// Nested runs fn so that, when it fails, what it wrote is undone and the
// transaction goes on as if it had not run. The error is fn's.
func (t *Tx) Nested(fn func() error) error {
	if err := t.e.exec("SAVEPOINT nested"); err != nil {
		return err
	}
	changes, order := make(map[salesforce.ID]*Change, len(t.changes)), slices.Clone(t.order)
	for id, c := range t.changes {
		kept := *c
		changes[id] = &kept
	}
	err := fn()
	if err != nil {
		t.changes, t.order = changes, order
		if undo := t.e.exec("ROLLBACK TO nested"); undo != nil {
			return errors.Join(err, undo)
		}
	}
	if release := t.e.exec("RELEASE nested"); err == nil {
		err = release
	}
	return err
}

func (e *Engine) exec(statement string) error {
	stmt, err := e.conn.Prepare(statement)
	if err == nil {
		_, err = stmt.Step()
		err = errors.Join(err, stmt.Reset())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// Get returns a live record. Deleted and unknown ones are [CodeNotFound].
func (t *Tx) Get(o *schema.Object, id salesforce.ID) (Row, error) {
	row, err := t.fetch(o, id)
	if err != nil {
		return nil, err
	}
	if row == nil || row["IsDeleted"] == true {
		return nil, notFound()
	}
	return row, nil
}

// fetch returns the row of any state, nil when there is none.
func (t *Tx) fetch(o *schema.Object, id salesforce.ID) (Row, error) {
	tab, err := t.table(o)
	if err != nil {
		return nil, err
	}
	stmt, err := t.e.conn.Prepare(tab.byID)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Name, err)
	}
	stmt.BindText(1, string(id))
	found, err := stmt.Step()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Name, err)
	}
	var row Row
	if found {
		row = tab.read(stmt)
	}
	return row, stmt.Reset()
}

// live returns the row to change, or why it cannot be changed.
func (t *Tx) live(o *schema.Object, id salesforce.ID) (Row, error) {
	row, err := t.fetch(o, id)
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return nil, noRecord()
	case row["IsDeleted"] == true:
		return nil, deleted()
	}
	return row, nil
}

func (t *Tx) table(o *schema.Object) (*table, error) {
	tab, ok := t.e.tables[o]
	if !ok {
		return nil, refuse("INVALID_TYPE", nil, "sObject type '%s' is not supported.", o.Name)
	}
	return tab, nil
}

// Find returns the Ids of live records whose field has the value.
func (t *Tx) Find(o *schema.Object, f *schema.Field, value any) ([]salesforce.ID, error) {
	v, err := Convert(f, value)
	if err != nil || v == nil {
		return nil, err
	}
	query := `SELECT "Id" FROM ` + soql.Quote(o.Name) + " WHERE " + soql.Quote(f.Name) + `=? AND "IsDeleted"=0 ORDER BY "Id"`
	stmt, err := t.e.conn.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("find %s by %s: %w", o.Name, f.Name, err)
	}
	bindValue(stmt, 1, v, f.Type)
	ids, err := readIDs(stmt)
	if err != nil {
		return nil, fmt.Errorf("find %s by %s: %w", o.Name, f.Name, err)
	}
	return ids, nil
}

func (t *Tx) write(statement string, bind func(*sqlite.Stmt)) error {
	stmt, err := t.e.conn.Prepare(statement)
	if err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	bind(stmt)
	if _, err := stmt.Step(); err != nil {
		return fmt.Errorf("write row: %w", errors.Join(err, stmt.Reset()))
	}
	return stmt.Reset()
}

// note merges a change into what the transaction already did to the record.
func (t *Tx) note(c Change) {
	prior, touched := t.changes[c.ID]
	if !touched {
		t.changes[c.ID] = &c
		t.order = append(t.order, c.ID)
		return
	}
	merged := Change{Object: c.Object, ID: c.ID, Type: prior.Type, Before: prior.Before, After: c.After}
	switch {
	case c.Type == Delete && (prior.Type == Create || prior.Type == Undelete):
		delete(t.changes, c.ID) // it never was, as far as others can tell
		t.order = slices.DeleteFunc(t.order, func(id salesforce.ID) bool { return id == c.ID })
		return
	case c.Type == Delete:
		merged.Type = Delete
	case c.Type == Undelete:
		merged.Type, merged.Changed = Update, changedFields(c.Object, prior.Before, c.After)
	case prior.Type == Update:
		merged.Changed = changedFields(c.Object, prior.Before, c.After)
	}
	*prior = merged
}

func (t *Tx) collect() []Change {
	changes := make([]Change, 0, len(t.order))
	for _, id := range t.order {
		changes = append(changes, *t.changes[id])
	}
	return changes
}

// changedFields compares two rows. LastModifiedDate counts as changed by every
// update, whatever the clock's resolution.
func changedFields(o *schema.Object, before, after Row) []string {
	var changed []string
	for _, f := range o.Fields {
		switch {
		case f.IsCompound(), f.Name == "SystemModstamp", f.Name == "IsDeleted":
		case f.Name == "LastModifiedDate", !equalValue(before[f.Name], after[f.Name]):
			changed = append(changed, f.Name)
		}
	}
	return changed
}

func equalValue(a, b any) bool {
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	return a == b
}
