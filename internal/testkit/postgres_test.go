package testkit_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// TestPostgres_DropsTheSchema uses a schema in a subtest and looks for it afterwards.
func TestPostgres_DropsTheSchema(t *testing.T) {
	t.Parallel()
	outer := testkit.Postgres(t)
	conn, err := pgx.Connect(t.Context(), outer.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	count := func(schema string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	var inner testkit.Database
	t.Run("user", func(t *testing.T) {
		inner = testkit.Postgres(t)
		if inner.URL != outer.URL || inner.Schema == outer.Schema {
			t.Fatalf("databases %+v and %+v", outer, inner)
		}
		if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+pgx.Identifier{inner.Schema}.Sanitize()); err != nil {
			t.Fatal(err)
		}
		if n := count(inner.Schema); n != 1 {
			t.Fatalf("%d schemas are called %s", n, inner.Schema)
		}
	})
	if n := count(inner.Schema); n != 0 {
		t.Fatalf("the schema %s is left behind", inner.Schema)
	}
}
