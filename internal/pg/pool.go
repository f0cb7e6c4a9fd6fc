package pg

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is a bounded set of connections that replaces those it loses. It is safe
// for concurrent use.
type Pool struct {
	cfg  Config
	pool *pgxpool.Pool
}

// Open connects to the server. It fails when the first connection does.
func Open(ctx context.Context, cfg Config) (*Pool, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	poolConfig, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	poolConfig.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return set(ctx, conn, cfg.parameters()) }
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, Failure("connect to PostgreSQL", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, Failure("connect to PostgreSQL", err)
	}
	return &Pool{cfg: cfg, pool: pool}, nil
}

// set makes settings for the session. They are not sent as start-up parameters,
// because connection poolers refuse those they do not know.
func set(ctx context.Context, conn *pgx.Conn, settings map[string]string) error {
	batch := &pgx.Batch{}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		batch.Queue("SELECT set_config($1, $2, false)", name, settings[name])
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("make session settings: %w", err)
	}
	return nil
}

// Close waits for calls in progress and closes all connections.
func (p *Pool) Close() { p.pool.Close() }

// Ping returns nil when the server answers.
func (p *Pool) Ping(ctx context.Context) error { return Failure("ping PostgreSQL", p.pool.Ping(ctx)) }

// Read runs f in a read-only transaction in which everything is seen as of one
// moment. Settings hold for this transaction alone.
func (p *Pool) Read(ctx context.Context, settings map[string]string, f func(tx pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for name, value := range settings {
			if _, err := tx.Exec(ctx, "SELECT set_config($1, $2, true)", name, value); err != nil {
				return err
			}
		}
		return f(tx)
	})
	return Failure("read from PostgreSQL", err)
}

// Query runs one statement and scans its rows with scan. It is tried once; of a
// statement that writes, an error may leave the outcome unknown.
func (p *Pool) Query(ctx context.Context, scan func(rows pgx.Rows) error, query string, args ...any) error {
	rows, err := p.pool.Query(ctx, query, args...)
	if err != nil {
		return Failure("query PostgreSQL", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return Failure("query PostgreSQL", err)
		}
	}
	return Failure("query PostgreSQL", rows.Err())
}
