package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// LimitPages makes the disk of a store full once its file has n pages more than
// now; n < 0 lifts the limit.
func LimitPages(ctx context.Context, s contract.Store, n int64) error {
	return s.(*Store).write(ctx, "limit pages", func(*task) func(*txn) error {
		return func(tx *txn) error {
			most := int64(1 << 30)
			if n >= 0 {
				pages, err := pragmaInt(tx.w.conn, "page_count")
				if err != nil {
					return err
				}
				most = pages + n
			}
			return execute(tx.w.conn, fmt.Sprintf("PRAGMA max_page_count = %d", most))
		}
	})
}

// Poison runs a task that changes the file and then fails, as a statement might
// that finds fault with what a caller gave.
func Poison(ctx context.Context, s contract.Store) error {
	return s.(*Store).write(ctx, "poison", func(*task) func(*txn) error {
		return func(tx *txn) error {
			if err := tx.setMeta("poison", 1); err != nil {
				return err
			}
			return errors.New("poisoned")
		}
	})
}

// Hold keeps the writer busy until the returned function is called, so that
// what is submitted meanwhile becomes one group.
func Hold(s contract.Store) (release func()) {
	held, gate := make(chan struct{}), make(chan struct{})
	t := newTask(func(*txn) error {
		close(held)
		<-gate
		return nil
	})
	if err := s.(*Store).writer.submit(t); err != nil {
		panic(err)
	}
	<-held
	return func() { close(gate) }
}

// Queued returns how many tasks wait for the next group.
func Queued(s contract.Store) int {
	w := s.(*Store).writer
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// LogBytes returns the bytes of the write-ahead log in use.
func LogBytes(s contract.Store) int64 { return s.(*Store).wal.size() }

// AtHand returns the payload bytes that waiting entries hold in memory.
func AtHand(ctx context.Context, s contract.Store) (n int64, err error) {
	err = s.(*Store).write(ctx, "count memory", func(*task) func(*txn) error {
		return func(tx *txn) error {
			n = tx.w.rooms.atHand
			return nil
		}
	})
	return n, err
}

// Fill writes a megabyte in one commit.
func Fill(ctx context.Context, s contract.Store, n int) error {
	return s.(*Store).write(ctx, "fill", func(*task) func(*txn) error {
		return func(tx *txn) error {
			return execute(tx.w.conn, "INSERT OR REPLACE INTO meta (name, value) VALUES ('fill ' || ?, zeroblob(1048576))", n%8)
		}
	})
}

// InMemory returns how many entries the lines of all rooms hold.
func InMemory(ctx context.Context, s contract.Store) (n int, err error) {
	err = s.(*Store).write(ctx, "count entries", func(*task) func(*txn) error {
		return func(tx *txn) error {
			n = 0
			for _, r := range tx.w.rooms.byName {
				switch l := r.line.(type) {
				case *freeLine:
					n += len(l.queue) + len(l.returns) + len(l.delayed)
				case *orderedLine:
					for i := range l.lanes {
						n += len(l.lanes[i].queue)
					}
				}
			}
			return nil
		}
	})
	return n, err
}

// Setting returns a pragma of the writing connection.
func Setting(ctx context.Context, s contract.Store, name string) (value string, err error) {
	err = s.(*Store).write(ctx, "read setting", func(*task) func(*txn) error {
		return func(tx *txn) error {
			return sqlitex.ExecuteTransient(tx.w.conn, "PRAGMA "+name, &sqlitex.ExecOptions{
				ResultFunc: func(s *sqlite.Stmt) error { value = s.ColumnText(0); return nil },
			})
		}
	})
	return value, err
}

// SchemaOf returns the script that makes the tables of an earlier version.
func SchemaOf(version int) string {
	script := schema
	for _, u := range upgrades[:version-1] {
		script += u.script
	}
	return script + fmt.Sprintf("PRAGMA user_version = %d;", version)
}

// GatherIDs makes a store move ids to their table once it has gathered n.
func GatherIDs(ctx context.Context, s contract.Store, n int) {
	if err := s.(*Store).write(ctx, "set fill", func(*task) func(*txn) error {
		return func(tx *txn) error {
			tx.w.memories.fill = n
			return nil
		}
	}); err != nil {
		panic(err)
	}
}
