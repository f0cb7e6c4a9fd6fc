package pg_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/pg"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func open(t *testing.T, db testkit.Database) *pg.Pool {
	t.Helper()
	p, err := pg.Open(t.Context(), pg.Config{
		URL: db.URL, Connections: 3, Name: "pg test", Settings: map[string]string{"search_path": pgx.Identifier{db.Schema}.Sanitize()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func count(t *testing.T, p *pg.Pool, query string) (n int) {
	t.Helper()
	if err := p.Query(t.Context(), func(rows pgx.Rows) error { return rows.Scan(&n) }, query); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMigrate_RunsOnceAndRefusesTheFuture(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	one := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (n int);\nINSERT INTO a VALUES (1);\n")}}
	two := fstest.MapFS{"00001_a.sql": one["00001_a.sql"], "00002_b.sql": {Data: []byte("-- +goose Up\nINSERT INTO a VALUES (2);\n")}}
	cfg := pg.Config{URL: db.URL}
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- pg.Migrate(t.Context(), cfg, db.Schema, one) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	p := open(t, db)
	if n := count(t, p, "SELECT count(*) FROM a"); n != 1 {
		t.Fatalf("the migration ran %d times", n)
	}
	if err := pg.Migrate(t.Context(), cfg, db.Schema, two); err != nil {
		t.Fatal(err)
	}
	if n := count(t, p, "SELECT sum(n) FROM a"); n != 3 {
		t.Fatalf("sum = %d", n)
	}
	if err := pg.Migrate(t.Context(), cfg, db.Schema, one); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Fatalf("migrate from the future = %v", err)
	}
}

func TestWrite_CommitsOrSaysWhy(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	if err := pg.Migrate(t.Context(), pg.Config{URL: db.URL}, db.Schema, fstest.MapFS{
		"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);\n")},
	}); err != nil {
		t.Fatal(err)
	}
	p := open(t, db)
	insert := func(values ...int) error {
		return p.Write(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
			for _, v := range values {
				if _, err := conn.Exec(ctx, "INSERT INTO a VALUES ($1)", v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := insert(1, 2); err != nil {
		t.Fatal(err)
	}
	// The constraint is deferred: COMMIT itself is what fails.
	err := insert(3, 1)
	if e := (*event.Error)(nil); !errors.As(err, &e) || e.Happened != event.HappenedNo || e.Healing != event.Permanent {
		t.Fatalf("write against a constraint = %v", err)
	}
	boom := errors.New("boom")
	if err := p.Write(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "INSERT INTO a VALUES (4)"); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatalf("write = %v, want the caller's error", err)
	}
	if n := count(t, p, "SELECT sum(n) FROM a"); n != 3 {
		t.Fatalf("sum = %d, want that of 1 and 2", n)
	}
	// A swallowed error leaves a transaction that can only be rolled back.
	if err := p.Write(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		_, _ = conn.Exec(ctx, "SELECT 1/0")
		return nil
	}); err == nil {
		t.Fatal("commit of a failed transaction succeeded")
	}
}

// TestWrite_RunsAgainAfterAConflict lets two transactions deadlock.
func TestWrite_RunsAgainAfterAConflict(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	if err := pg.Migrate(t.Context(), pg.Config{URL: db.URL}, db.Schema, fstest.MapFS{
		"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (id int, n int);\nINSERT INTO a VALUES (1, 0), (2, 0);\n")},
	}); err != nil {
		t.Fatal(err)
	}
	p := open(t, db)
	met := make(chan struct{}, 2) // both hold their first row
	errs := make(chan error, 2)
	for first := 1; first <= 2; first++ {
		go func() {
			runs := 0
			errs <- p.Write(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
				runs++
				if _, err := conn.Exec(ctx, "UPDATE a SET n = n + 1 WHERE id = $1", first); err != nil {
					return err
				}
				if runs == 1 {
					met <- struct{}{}
					for len(met) < 2 {
						if _, err := conn.Exec(ctx, "SELECT pg_sleep(0.01)"); err != nil {
							return err
						}
					}
				}
				_, err := conn.Exec(ctx, "UPDATE a SET n = n + 1 WHERE id = $1", 3-first)
				return err
			})
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, p, "SELECT sum(n) FROM a"); n != 4 {
		t.Fatalf("sum = %d, want 4", n)
	}
}

func TestListen_HearsAndSurvivesALostConnection(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	p := open(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	heard, missed, ended := make(chan string, 10), make(chan struct{}, 10), make(chan error, 1)
	name := "listener " + db.Schema
	go func() {
		ended <- pg.Listen(ctx, pg.Config{URL: db.URL, Name: name}, db.Schema, func(s string) { heard <- s }, func() { missed <- struct{}{} })
	}()
	<-missed
	if err := p.Notify(ctx, db.Schema, "one", "two"); err != nil {
		t.Fatal(err)
	}
	if a, b := <-heard, <-heard; a != "one" || b != "two" {
		t.Fatalf("heard %q and %q", a, b)
	}
	if n := count(t, p, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '"+name+"'"); n != 1 {
		t.Fatalf("terminated %d listeners", n)
	}
	<-missed
	if err := p.Notify(ctx, db.Schema, "three"); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "three" {
		t.Fatalf("heard %q", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("listen ended with %v", err)
	}
}

func TestOpen_NeverTellsThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://user:hunter2@127.0.0.1:1/db", "postgres://user:hunter2@host:port/db", "host=127.0.0.1 port=1 password=hunter2 bad",
		"postgres://user:hunter2@[::1/db",
	} {
		_, err := pg.Open(t.Context(), pg.Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "hunter2") || event.HintOf(err) == "" {
			t.Errorf("open %s = %v, hint %q", url, err, event.HintOf(err))
		}
	}
}
