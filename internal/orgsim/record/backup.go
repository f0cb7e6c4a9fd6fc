package record

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// Backup copies every row into a new SQLite file at path. While the engine is
// still held, it calls also, so that what hangs on the rows (the events that tell
// of them) is copied in the same state; nil for nothing.
func (e *Engine) Backup(ctx context.Context, path string, also func() error) error {
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
	return e.besides(path, also, func(other *sqlite.Conn) error { return copyDatabase(other, e.conn) })
}

// Restore makes the rows those of a file of [Engine.Backup], and calls also while
// the engine is held. Columns that the catalog has and the file has not are empty.
// The listener hears nothing. A file whose key prefixes differ is refused, and the
// rows stay as they were.
func (e *Engine) Restore(ctx context.Context, path string, also func() error) error {
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
	return e.besides(path, also, func(other *sqlite.Conn) error {
		if err := e.checkBackup(other); err != nil {
			return err
		}
		if err := copyDatabase(e.conn, other); err != nil {
			return err
		}
		return e.createTables()
	})
}

// besides runs a copy with the file at path open, and also after it.
func (e *Engine) besides(path string, also func() error, run func(*sqlite.Conn) error) (err error) {
	other, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return fmt.Errorf("open copy of org rows: %w", err)
	}
	if err = errors.Join(run(other), other.Close()); err != nil {
		return err
	}
	if also == nil {
		return nil
	}
	return also()
}

func copyDatabase(to, from *sqlite.Conn) error {
	backup, err := sqlite.NewBackup(to, "main", from, "main")
	if err != nil {
		return fmt.Errorf("copy org rows: %w", err)
	}
	_, err = backup.Step(-1)
	if err = errors.Join(err, backup.Close()); err != nil {
		return fmt.Errorf("copy org rows: %w", err)
	}
	return nil
}

// checkBackup compares a file's key prefixes with the catalog's.
func (e *Engine) checkBackup(other *sqlite.Conn) error {
	stmt, _, err := other.PrepareTransient(`SELECT "name", "prefix" FROM "_objects"`)
	if err != nil {
		return fmt.Errorf("not a copy of org rows: %w", err)
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return errors.Join(err, stmt.Finalize())
		}
		name, prefix := stmt.ColumnText(0), stmt.ColumnText(1)
		if o, ok := e.cfg.Catalog.Object(name); ok && o.KeyPrefix != prefix {
			return errors.Join(fmt.Errorf("object %s has key prefix %s in the copy and %s here", name, prefix, o.KeyPrefix), stmt.Finalize())
		}
	}
}
