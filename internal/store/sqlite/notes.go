package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// Note implements [watch.Notebook].
func (s *Store) Note(ctx context.Context, scope, name string, body []byte) error {
	if body == nil {
		body = []byte{}
	}
	return s.write(ctx, "write note", func(*task) func(*txn) error {
		return func(tx *txn) error {
			return execute(tx.w.conn, `INSERT INTO notes (scope, name, at, body) VALUES (?, ?, ?, ?)
				ON CONFLICT (scope, name) DO UPDATE SET at = excluded.at, body = excluded.body`, scope, name, tx.now, body)
		}
	})
}

// Forget implements [watch.Notebook].
func (s *Store) Forget(ctx context.Context, scope, name string) error {
	return s.write(ctx, "forget note", func(*task) func(*txn) error {
		return func(tx *txn) error {
			return execute(tx.w.conn, "DELETE FROM notes WHERE scope = ? AND name = ?", scope, name)
		}
	})
}

// Notes implements [watch.Notebook].
func (a *archive) Notes(ctx context.Context, scope string) (notes []watch.Note, err error) {
	now := a.now().UnixMicro()
	err = a.read(ctx, func(c *conn) error {
		return c.query("SELECT name, body, at FROM notes WHERE scope = ? ORDER BY name", []any{scope}, func(r row) {
			at := r.ColumnInt64(2)
			notes = append(notes, watch.Note{
				Name: r.ColumnText(0), Body: columnBytes(r.Stmt, 1), At: instant(at), Age: time.Duration(now-at) * time.Microsecond,
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list notes: %w", err)
	}
	return notes, nil
}

// Note implements [watch.Notebook] by refusing.
func (*inspector) Note(context.Context, string, string, []byte) error {
	return contract.Inspecting("write note")
}

// Forget implements [watch.Notebook] by refusing.
func (*inspector) Forget(context.Context, string, string) error {
	return contract.Inspecting("forget note")
}
