package sqlite

import (
	"context"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// sweepKeys removes idempotency keys whose time has run out.
func (s *Store) sweepKeys(ctx context.Context, swept *contract.Swept) error {
	for {
		n := 0
		err := s.write(ctx, "remove expired keys", func(*task) func(*txn) error {
			return func(tx *txn) error {
				err := execute(tx.w.conn, `DELETE FROM keys WHERE (scope, key) IN
					(SELECT scope, key FROM keys WHERE expires <= ? LIMIT ?)`, tx.now, sweepScan)
				n = tx.w.conn.Changes()
				return err
			}
		})
		if err != nil {
			return err
		}
		swept.Keys += int64(n)
		if n < sweepScan {
			return nil
		}
	}
}

// sweepIDs removes ids that nobody has to know any more.
func (s *Store) sweepIDs(ctx context.Context, swept *contract.Swept) error {
	now, due := int64(0), false
	err := s.write(ctx, "forget ids", func(*task) func(*txn) error {
		return func(tx *txn) error {
			m := tx.w.memories
			now, due = tx.now, m.table && m.expiry <= tx.now
			swept.Keys += m.forget(tx.now)
			m.came = forever
			return nil
		}
	})
	if err != nil || !due {
		return err
	}
	var after []byte
	for {
		var expired [][]byte
		if err := s.read(ctx, func(c *conn) error {
			return c.query("SELECT id FROM ids WHERE id > ? AND until <= ? ORDER BY id LIMIT ?", []any{bytesOf(after), now, sweepScan}, func(r row) {
				expired = append(expired, columnBytes(r.Stmt, 0))
			})
		}); err != nil {
			return fmt.Errorf("find expired ids: %w", err)
		}
		if len(expired) == 0 {
			return s.markExpiry(ctx)
		}
		n := int64(0)
		if err := s.write(ctx, "remove expired ids", func(*task) func(*txn) error {
			return func(tx *txn) (err error) {
				n, err = tx.forget(expired, now)
				return err
			}
		}); err != nil {
			return err
		}
		swept.Keys += n
		after = expired[len(expired)-1]
	}
}

// bytesOf keeps nil from becoming NULL, to which nothing compares.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// forget removes ids from the table. One may have come back since it was read.
func (tx *txn) forget(ids [][]byte, now int64) (n int64, err error) {
	stmt, err := tx.w.conn.Prepare("DELETE FROM ids WHERE id = ? AND until <= ?")
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		stmt.BindBytes(1, id)
		stmt.BindInt64(2, now)
		if _, err := step(stmt); err != nil {
			return 0, fmt.Errorf("remove id: %w", err)
		}
		n += int64(tx.w.conn.Changes())
	}
	return n, nil
}

// markExpiry writes down when the table next has something to remove. Ids that
// came meanwhile may be unknown to the reader.
func (s *Store) markExpiry(ctx context.Context) error {
	first := forever
	if err := s.read(ctx, func(c *conn) error {
		return c.query("SELECT min(until) FROM ids", nil, func(r row) {
			if n := r.ColumnInt64(0); n != 0 {
				first = n
			}
		})
	}); err != nil {
		return fmt.Errorf("find first end of an id: %w", err)
	}
	return s.write(ctx, "mark first end of an id", func(*task) func(*txn) error {
		return func(tx *txn) error {
			tx.w.memories.expiry = min(first, tx.w.memories.came)
			return nil
		}
	})
}

// keepID keeps the memory of a record's id when the record goes. That of an
// older record is in the table.
func (tx *txn) keepID(v *volume, t *traits) error {
	if t.until <= tx.now || v.first+int64(v.n) <= tx.w.memories.done {
		return nil
	}
	return tx.note(markOf(v.route, t.id), memory{accepted: v.accepted, until: t.until, digest: t.digest})
}
