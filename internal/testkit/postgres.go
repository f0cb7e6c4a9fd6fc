package testkit

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// serverEnv names a PostgreSQL server to use instead of starting one.
const serverEnv = "SALLYPORT_TEST_POSTGRES"

// Database is a place in a PostgreSQL server that belongs to one test.
type Database struct {
	// URL is the server's; its user may create schemas.
	URL string
	// Schema is a name that nobody else uses. It does not exist yet, and is
	// dropped with all it holds when the test ends.
	Schema string
}

// Postgres gives a test a schema of its own in a real PostgreSQL server: that
// of SALLYPORT_TEST_POSTGRES (a URL), or one that is started for this test
// binary and stopped by [Main]. Without either it fails the test.
func Postgres(t testing.TB) Database {
	t.Helper()
	url := os.Getenv(serverEnv)
	if url == "" {
		said, err := postgresServer.start()
		if err != nil {
			t.Fatalf("no PostgreSQL for this test: %v", err)
		}
		url = said[0]
	}
	db := Database{URL: url, Schema: "test_" + strings.ToLower(rand.Text()[:16])}
	t.Cleanup(func() {
		if err := db.drop(); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	return db
}

// drop removes the schema. A connection that the test left open and that holds
// locks makes it fail instead of waiting for ever.
func (d Database) drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{d.Schema}.Sanitize()+" CASCADE")
	return err
}
