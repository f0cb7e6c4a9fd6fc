package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/postgres"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// open opens a store in a test's schema.
func open(t testing.TB, db testkit.Database, change ...func(*contract.Config)) *postgres.Store {
	t.Helper()
	cfg := contract.Config{URL: db.URL, Schema: db.Schema, Owner: t.Name(), Poll: 20 * time.Millisecond, Connections: 5}
	for _, c := range change {
		c(&cfg)
	}
	s, err := postgres.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func harness(t testing.TB) *storetest.Harness { return harnessOn(t, testkit.Postgres(t)) }

// harnessOn is a harness whose data is in db.
func harnessOn(t testing.TB, db testkit.Database, change ...func(*contract.Config)) *storetest.Harness {
	clock := storetest.NewClock()
	withClock := func(c *contract.Config) {
		c.Now = clock.Now
		for _, f := range change {
			f(c)
		}
	}
	return &storetest.Harness{
		Clock: clock,
		Open:  func(t testing.TB) contract.Store { return open(t, db, withClock) },
		Crash: func(t testing.TB, s contract.Store) contract.Store {
			// The server outlives the process: whatever that had not settled stays
			// claimed until its lease ends.
			t.Cleanup(func() { _ = s.Close() })
			return open(t, db, withClock)
		},
		Tamper: func(t testing.TB, how storetest.Tampering) { tamper(t, db, how) },
		Shared: true,
	}
}

// execute runs a statement in the test's schema and returns how many rows it changed.
func execute(t testing.TB, db testkit.Database, statement string, args ...any) int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "SET search_path TO "+pgx.Identifier{db.Schema}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	tag, err := conn.Exec(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	return tag.RowsAffected()
}

func tamper(t testing.TB, db testkit.Database, how storetest.Tampering) {
	t.Helper()
	const last = "(SELECT max(seq) FROM queue)"
	statement := map[storetest.Tampering]string{
		storetest.LoseRecord: "WITH q AS (DELETE FROM queue WHERE seq = " + last + " RETURNING seq) DELETE FROM events e USING q WHERE e.seq = q.seq",
		storetest.MarkDelivered: "WITH q AS (DELETE FROM queue WHERE seq = " + last + ` RETURNING seq, route)
			INSERT INTO ended (seq, route, state, ended, attempts, redelivered, unanswered) SELECT seq, route, 1, now(), 1, 0, false FROM q`,
		storetest.InflateAccepted:    "UPDATE ledger SET accepted = accepted + 5 WHERE ctid = (SELECT min(ctid) FROM ledger)",
		storetest.InflateRedelivered: "UPDATE ledger SET redelivered = redelivered + 1 WHERE ctid = (SELECT min(ctid) FROM ledger)",
		storetest.LosePayload:        "DELETE FROM payloads WHERE seq = " + last,
	}[how]
	if n := execute(t, db, statement); n != 1 {
		t.Fatalf("%s changed %d rows", how, n)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *storetest.Harness { return harness(t) })
}

func TestIntake(t *testing.T) {
	t.Parallel()
	storetest.RunIntake(t, func(t *testing.T) *storetest.Harness { return harness(t) })
}

func TestFollow(t *testing.T) {
	t.Parallel()
	storetest.RunFollow(t, func(t *testing.T) *storetest.Harness { return harness(t) })
}

// lock takes a lock in a transaction that the returned function ends.
func lock(t testing.TB, db testkit.Database, statement string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"SET search_path TO " + pgx.Identifier{db.Schema}.Sanitize(), "BEGIN", statement} {
		if _, err := conn.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return func() { _ = conn.Close(context.Background()) }
}

func asError(err error, e **event.Error) bool { return errors.As(err, e) }
