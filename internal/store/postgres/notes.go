package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/watch"
)

// Note implements [watch.Notebook].
func (s *Store) Note(ctx context.Context, scope, name string, body []byte) error {
	if err := s.writable("write note"); err != nil {
		return err
	}
	if body == nil {
		body = []byte{}
	}
	return s.write(ctx, "write note", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.q(`INSERT INTO @notes (scope, name, at, body) VALUES ($1, $2, coalesce($3::timestamptz, now()), $4)
			ON CONFLICT (scope, name) DO UPDATE SET at = excluded.at, body = excluded.body`), text(scope), text(name), s.now(), body)
		return err
	})
}

// Notes implements [watch.Notebook].
func (s *Store) Notes(ctx context.Context, scope string) (notes []watch.Note, err error) {
	err = s.read(ctx, "list notes", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT name, body, at, (extract(epoch FROM coalesce($2::timestamptz, now()) - at) * 1000000)::bigint
			FROM @notes WHERE scope = $1 ORDER BY name COLLATE "C"`), text(scope), s.now())
		if err != nil {
			return err
		}
		notes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n watch.Note, err error) {
			var age int64
			err = row.Scan(&n.Name, &n.Body, &n.At, &age)
			n.Name, n.At, n.Age = untext(n.Name), n.At.UTC(), time.Duration(age)*time.Microsecond
			return n, err
		})
		return err
	})
	return notes, err
}

// Forget implements [watch.Notebook].
func (s *Store) Forget(ctx context.Context, scope, name string) error {
	if err := s.writable("forget note"); err != nil {
		return err
	}
	return s.write(ctx, "forget note", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.q("DELETE FROM @notes WHERE scope = $1 AND name = $2"), text(scope), text(name))
		return err
	})
}
