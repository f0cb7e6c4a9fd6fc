package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/pg"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A process that is paused in the middle of a transaction (here: one that waits
// for somebody who waits for its lock) loses the transaction and the lock, not
// everybody else their patience; when it goes on, it begins anew.
func TestWrite_APausedTransactionLetsGoOfItsLocks(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	other := open(t, db)
	paused, err := pg.Open(t.Context(), pg.Config{
		URL: db.URL, IdleInTransaction: 200 * time.Millisecond,
		Settings: map[string]string{"search_path": pgx.Identifier{db.Schema}.Sanitize()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(paused.Close)
	write(t, other, "CREATE SCHEMA "+pgx.Identifier{db.Schema}.Sanitize())
	write(t, other, "CREATE TABLE rows (n int)")
	write(t, other, "INSERT INTO rows VALUES (0)")
	tries := 0
	err = paused.Write(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		tries++
		if _, err := conn.Exec(ctx, "UPDATE rows SET n = n + 10"); err != nil || tries > 1 {
			return err
		}
		write(t, other, "UPDATE rows SET n = n + 1")
		return nil
	})
	if err != nil || tries != 2 {
		t.Errorf("the paused transaction ended with %v after %d tries, want none after 2", err, tries)
	}
	if n := count(t, other, "SELECT n FROM rows"); n != 11 {
		t.Errorf("the row counts %d, want 1 of the one and 10 of the other", n)
	}
}

func write(t *testing.T, p *pg.Pool, statement string) {
	t.Helper()
	err := p.Write(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
