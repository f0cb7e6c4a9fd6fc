package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
)

var errNoSession = errors.New("a connection pooler hands the server's connections on after each transaction")

// checkSession verifies that a connection is a session of the server's own. Behind a
// pooler in transaction mode it is not: settings, locks and notifications get lost or
// reach others. other takes a server's connection for a transaction while nothing is
// going on; a pooler gives it the one that conn had last, and conn another after that.
func checkSession(ctx context.Context, conn, other *pgx.Conn) error {
	before, err := backend(ctx, conn)
	if err != nil {
		return err
	}
	if _, err := other.Exec(ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	after, err := backend(ctx, conn)
	if _, endErr := other.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol); err == nil {
		err = endErr
	}
	if err != nil || before == after {
		return err
	}
	return &event.Error{
		Op: "connect to PostgreSQL", Happened: event.HappenedNo, Healing: event.Permanent, Err: errNoSession,
		Hint: "let store.url name the server itself, or a pool in session mode (PgBouncer: pool_mode=session)",
	}
}

// backend is the number of the server process that serves a statement. The simple
// protocol leaves no prepared statement behind.
func backend(ctx context.Context, conn *pgx.Conn) (pid int32, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid, err
}
