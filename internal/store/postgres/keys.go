package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/route"
)

// errUnknownKey is wrapped when a key is finished that nobody has begun, or
// whose time has run out.
var errUnknownKey = errors.New("no such idempotency key in progress")

// Begin implements [route.Keys].
func (s *Store) Begin(ctx context.Context, scope, key string, digest []byte, hold time.Duration) (state route.KeyState, err error) {
	if err := s.writable("begin key"); err != nil {
		return state, err
	}
	if digest == nil {
		digest = []byte{}
	}
	err = s.write(ctx, "begin key", func(ctx context.Context, conn *pgx.Conn) (err error) {
		state, err = s.begin(ctx, conn, scope, key, digest, hold)
		return err
	})
	if err != nil {
		return route.KeyState{}, err
	}
	return state, nil
}

func (s *Store) begin(ctx context.Context, conn *pgx.Conn, scope, key string, digest []byte, hold time.Duration) (route.KeyState, error) {
	tag, err := conn.Exec(ctx, s.q(`
		INSERT INTO @keys AS k (scope, key, digest, expires)
		VALUES ($1, $2, $3, coalesce($4::timestamptz, now()) + $5 * interval '1 microsecond')
		ON CONFLICT (scope, key) DO UPDATE SET digest = excluded.digest, answer = NULL, expires = excluded.expires
		WHERE k.expires <= coalesce($4::timestamptz, now())`), text(scope), text(key), digest, s.now(), hold.Microseconds())
	if err != nil {
		return route.KeyState{}, err
	}
	if tag.RowsAffected() == 1 {
		return route.KeyState{Fresh: true}, nil
	}
	// The statement above has locked the row, so it is still there.
	var old, answer []byte
	if err := conn.QueryRow(ctx, s.q("SELECT digest, answer FROM @keys WHERE scope = $1 AND key = $2"), text(scope), text(key)).
		Scan(&old, &answer); err != nil {
		return route.KeyState{}, err
	}
	if !bytes.Equal(old, digest) {
		return route.KeyState{Conflict: true}, nil
	}
	return route.KeyState{InProgress: answer == nil, Answer: answer}, nil
}

// Finish implements [route.Keys].
func (s *Store) Finish(ctx context.Context, scope, key string, answer []byte, keep time.Duration) error {
	if err := s.writable("finish key"); err != nil {
		return err
	}
	if answer == nil {
		answer = []byte{}
	}
	var found bool
	err := s.write(ctx, "finish key", func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, s.q(`UPDATE @keys SET answer = $3, expires = coalesce($4::timestamptz, now()) + $5 * interval '1 microsecond'
			WHERE scope = $1 AND key = $2 AND expires > coalesce($4::timestamptz, now())`),
			text(scope), text(key), answer, s.now(), keep.Microseconds())
		found = tag.RowsAffected() == 1
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("finish key: %w", errUnknownKey)
	}
	return err
}

// Abandon implements [route.Keys]. A finished key keeps its answer.
func (s *Store) Abandon(ctx context.Context, scope, key string) error {
	if err := s.writable("abandon key"); err != nil {
		return err
	}
	return s.write(ctx, "abandon key", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.q("DELETE FROM @keys WHERE scope = $1 AND key = $2 AND answer IS NULL"), text(scope), text(key))
		return err
	})
}
