package sqlite

import (
	"context"
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Store is an open store file. It is safe for concurrent use.
type Store struct {
	archive
	path   string
	owner  *ownership
	writer *writer
	wal    *wal

	once   sync.Once
	closed chan struct{}
}

var _ contract.Store = (*Store)(nil)

// write runs a task made by make in the next group commit.
func (s *Store) write(ctx context.Context, op string, make func(t *task) func(*txn) error) error {
	t := newTask(nil)
	t.run = make(t)
	if err := s.writer.submit(t); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := t.wait(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// Ping implements [contract.Store] with an empty write.
func (s *Store) Ping(ctx context.Context) error {
	return s.write(ctx, "ping store", func(*task) func(*txn) error {
		return func(tx *txn) error { return tx.setMeta("pinged", tx.now) }
	})
}

// setMeta writes a value of the store itself.
func (tx *txn) setMeta(name string, value any) error {
	return setMeta(tx.w.conn, name, value)
}

func setMeta(conn *sqlite.Conn, name string, value any) error {
	return execute(conn, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
}

// Close implements [contract.Store]. It writes the log back into the file.
func (s *Store) Close() (err error) {
	s.once.Do(func() {
		close(s.closed)
		s.writer.stop()
		s.wal.stop()
		s.pool.close()
		err = s.writer.conn.Close()
		if ownErr := s.owner.release(); err == nil {
			err = ownErr
		}
	})
	return err
}
