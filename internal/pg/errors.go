package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Failure gives an error of the driver its three answers. It returns nil for
// nil, and leaves alone what has them already, cancellations, and errors that
// are not the server's or the connection's.
func Failure(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, answered := errors.AsType[*event.Error](err); answered {
		return err
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answered(op, server)
	}
	if !broken(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	// The driver's text names host and user; it has masked the password.
	e := &event.Error{
		Op: op, Happened: event.HappenedUnknown, Healing: event.Transient,
		Hint: "check that PostgreSQL runs and can be reached", Err: err,
	}
	if _, never := errors.AsType[*pgconn.ConnectError](err); never {
		e.Happened = event.HappenedNo
	}
	return e
}

// answered classifies what the server said. It says so before the end of the
// transaction, so nothing has happened.
func answered(op string, server *pgconn.PgError) error {
	e := &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: server}
	switch class := server.Code[:min(2, len(server.Code))]; {
	case class == "08" || class == "57" && server.Code != "57014":
		e.Healing, e.Hint = event.Transient, "PostgreSQL is stopping or starting"
	case class == "40" || server.Code == "55P03":
		e.Healing = event.Transient
	case server.Code == "57014":
		e.Healing, e.Hint = event.Transient, "the statement took too long: look for locks and load in PostgreSQL"
	case class == "53":
		e.Healing, e.Hint = event.Transient, "PostgreSQL is out of disk space, memory or connections"
	case class == "28" || server.Code == "3D000":
		e.Hint = "check user, password and database of the PostgreSQL URL"
	case server.Code == "42501":
		e.Hint = "let PostgreSQL's user create and use the schema"
	case server.Code == "25006":
		e.Healing, e.Hint = event.Transient, "this PostgreSQL server is a read-only replica"
	}
	return e
}

// repeatable reports whether a transaction that failed with err before its
// COMMIT was sent may succeed when run again.
func repeatable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch code := server.Code; code {
		case "57P01", "57P02", "57P03", "55P03", "25P03": // shut down, crashed, starting; lock not to be had; idle for too long
			return true
		default:
			return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "40")
		}
	}
	return broken(err)
}

// broken reports whether err is of the connection, not of the caller's code.
func broken(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || closedMidway(err)
}
