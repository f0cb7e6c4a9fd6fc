package pg

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Migrate creates schema if need be and brings it up to the newest of the
// migrations in fsys. Processes that start at once take their turns; a schema
// that is newer than the migrations is an error, and so is an address that gives
// no session of the server's own. The migrations are run with
// schema as the search path, so they name no schema.
func Migrate(ctx context.Context, cfg Config, schema string, fsys fs.FS) error {
	cfg = cfg.WithDefaults()
	connConfig, err := cfg.parseConn()
	if err != nil {
		return err
	}
	lock, err := pgx.ConnectConfig(ctx, connConfig)
	if err != nil {
		return Failure("connect to PostgreSQL", err)
	}
	// The lock is the session's: it goes with the connection, however that ends.
	defer func() { _ = lock.Close(context.WithoutCancel(ctx)) }()
	if err := alone(ctx, connConfig, lock); err != nil {
		return Failure("connect to PostgreSQL", err)
	}
	if _, err := lock.Exec(ctx, "SELECT pg_advisory_lock($1)", lockOf("migrate "+schema)); err != nil {
		return Failure("wait for other migrations", err)
	}
	quoted := pgx.Identifier{schema}.Sanitize()
	if err := createSchema(ctx, lock, schema, quoted); err != nil {
		return Failure("create schema", err)
	}
	return migrate(ctx, connConfig, quoted, fsys)
}

// alone is checkSession with a connection of its own.
func alone(ctx context.Context, cfg *pgx.ConnConfig, conn *pgx.Conn) error {
	other, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close(context.WithoutCancel(ctx)) }()
	return checkSession(ctx, conn, other)
}

// createSchema creates the schema unless it is there: a user without the right
// to create schemas may be given one.
func createSchema(ctx context.Context, conn *pgx.Conn, schema, quoted string) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := conn.Exec(ctx, "CREATE SCHEMA "+quoted)
	return err
}

func migrate(ctx context.Context, connConfig *pgx.ConnConfig, quoted string, fsys fs.FS) error {
	db := stdlib.OpenDB(*connConfig, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET search_path TO "+quoted)
		return err
	}))
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, fsys, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return Failure("read schema version", err)
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; version > newest {
		return fmt.Errorf("schema has version %d, this program knows up to %d", version, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return Failure("migrate schema", err)
	}
	return nil
}

// lockOf returns the number of an advisory lock by name.
func lockOf(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("sallyport " + name))
	return int64(h.Sum64())
}
