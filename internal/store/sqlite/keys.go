package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/route"
)

// errUnknownKey is wrapped when a key is finished that nobody has begun, or
// whose time has run out.
var errUnknownKey = errors.New("no such idempotency key in progress")

// Begin implements [route.Keys].
func (s *Store) Begin(ctx context.Context, scope, key string, digest []byte, hold time.Duration) (state route.KeyState, err error) {
	err = s.write(ctx, "begin key", func(*task) func(*txn) error {
		return func(tx *txn) (err error) {
			state, err = tx.begin(scope, key, digest, hold)
			return err
		}
	})
	return state, err
}

func (tx *txn) begin(scope, key string, digest []byte, hold time.Duration) (route.KeyState, error) {
	stmt, err := tx.w.conn.Prepare("SELECT digest, answer FROM keys WHERE scope = ? AND key = ? AND expires > ?")
	if err != nil {
		return route.KeyState{}, err
	}
	stmt.BindText(1, scope)
	stmt.BindText(2, key)
	stmt.BindInt64(3, tx.now)
	found, err := stmt.Step()
	if err != nil {
		return route.KeyState{}, fmt.Errorf("read key: %w", err)
	}
	if !found {
		return route.KeyState{Fresh: true}, tx.setKey(scope, key, digest, tx.now+hold.Microseconds())
	}
	old, answer := columnBytes(stmt, 0), columnBytes(stmt, 1)
	if !bytes.Equal(old, digest) {
		return route.KeyState{Conflict: true}, stmt.Reset()
	}
	return route.KeyState{InProgress: answer == nil, Answer: answer}, stmt.Reset()
}

func (tx *txn) setKey(scope, key string, digest []byte, expires int64) error {
	stmt, err := tx.w.conn.Prepare("INSERT OR REPLACE INTO keys (scope, key, digest, answer, expires) VALUES (?, ?, ?, NULL, ?)")
	if err != nil {
		return err
	}
	stmt.BindText(1, scope)
	stmt.BindText(2, key)
	stmt.BindBytes(3, digest)
	stmt.BindInt64(4, expires)
	if _, err := step(stmt); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// Finish implements [route.Keys].
func (s *Store) Finish(ctx context.Context, scope, key string, answer []byte, keep time.Duration) error {
	return s.write(ctx, "finish key", func(t *task) func(*txn) error {
		return func(tx *txn) error {
			stmt, err := tx.w.conn.Prepare("UPDATE keys SET answer = ?1, expires = ?4 + ?5 WHERE scope = ?2 AND key = ?3 AND expires > ?4 RETURNING 1")
			if err != nil {
				return err
			}
			stmt.BindBytes(1, answer)
			stmt.BindText(2, scope)
			stmt.BindText(3, key)
			stmt.BindInt64(4, tx.now)
			stmt.BindInt64(5, keep.Microseconds())
			found, err := stepInt(stmt)
			if err == nil && found == 0 {
				t.err = fmt.Errorf("finish key: %w", errUnknownKey)
			}
			return err
		}
	})
}

// Abandon implements [route.Keys]. A finished key keeps its answer.
func (s *Store) Abandon(ctx context.Context, scope, key string) error {
	return s.write(ctx, "abandon key", func(*task) func(*txn) error {
		return func(tx *txn) error {
			return execute(tx.w.conn, "DELETE FROM keys WHERE scope = ? AND key = ? AND answer IS NULL", scope, key)
		}
	})
}
