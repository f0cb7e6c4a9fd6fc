package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport-dev/sallyport/internal/event"
)

const (
	// firstPause and longestPause bound the wait between tries of a write.
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
)

// Write runs f in a transaction and commits it. While the server is away, or
// when it chose this transaction as the victim of a conflict, the transaction is
// run again until Patience is at its end, so f must bear being run twice.
//
// When the connection is lost during COMMIT, the server is asked what became of
// the transaction. Only if it cannot tell in time the error says that the
// outcome is unknown; any other error means that nothing was committed.
func (p *Pool) Write(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	deadline := time.Now().Add(p.cfg.Patience)
	for try := 0; ; try++ {
		err := p.try(ctx, deadline, f)
		if err == nil {
			return nil
		}
		if errors.Is(err, errUnknown) || !repeatable(err) || !time.Now().Before(deadline) {
			return Failure("write to PostgreSQL", err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// errUnknown is wrapped when nobody can say whether a transaction was committed.
var errUnknown = errors.New("connection lost during commit")

// try runs the transaction once.
func (p *Pool) try(ctx context.Context, deadline time.Time, f func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	xid, err := begin(ctx, conn)
	if err != nil {
		return err
	}
	if err := f(ctx, conn.Conn()); err != nil {
		rollback(conn)
		return err
	}
	// In the simple protocol COMMIT is one message: it has been sent or not.
	results, err := conn.Conn().PgConn().Exec(ctx, "COMMIT").ReadAll()
	if err == nil && (len(results) != 1 || results[0].CommandTag.String() != "COMMIT") {
		return errors.New("server rolled back instead of committing")
	}
	if err == nil {
		return nil
	}
	if _, said := errors.AsType[*pgconn.PgError](err); said {
		return err
	}
	// Not even an error that the driver calls safe to retry is believed here: it
	// calls a connection lost while reading the answer "closed", as if nothing
	// had been sent.
	return p.resolve(ctx, xid, deadline, err)
}

// begin opens a transaction and gives it the number by which its fate can be
// asked for later, in one round trip.
func begin(ctx context.Context, conn *pgxpool.Conn) (xid string, err error) {
	results, err := conn.Conn().PgConn().Exec(ctx, "BEGIN; SELECT pg_current_xact_id()").ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[1].Rows[0][0]), nil
}

// rollback ends a failed transaction. A connection on which even that fails is
// closed by the pool.
func rollback(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// resolve asks the server what became of a transaction whose commit was not
// answered. It asks even when the caller's ctx is done, for a moment, because a
// caller can do nothing with "unknown".
func (p *Pool) resolve(ctx context.Context, xid string, deadline time.Time, cause error) error {
	p.cfg.Logger.Warn("connection lost during commit, asking for its outcome", "err", cause)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), later(deadline, time.Now().Add(2*time.Second)))
	defer cancel()
	for try := 0; ; try++ {
		var status *string
		err := p.pool.QueryRow(ctx, "SELECT pg_xact_status($1::text::xid8)", xid).Scan(&status)
		switch {
		case err != nil || status == nil || *status == "in progress":
		case *status == "committed":
			return nil
		case *status == "aborted":
			return aborted{cause}
		}
		if pause(ctx, try) != nil {
			return &event.Error{
				Op: "commit", Happened: event.HappenedUnknown, Healing: event.Transient,
				Hint: "check that PostgreSQL runs and can be reached", Err: fmt.Errorf("%w: %w", errUnknown, cause),
			}
		}
	}
}

// aborted is the end of a transaction that the server says was not committed.
type aborted struct{ cause error }

func (a aborted) Error() string { return "transaction aborted: " + a.cause.Error() }

// SafeToRetry makes the driver's classification apply.
func (a aborted) SafeToRetry() bool { return true }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pause waits before the next try, longer each time and never quite the same.
func pause(ctx context.Context, try int) error {
	most := min(firstPause<<min(try, 10), longestPause)
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// closedMidway reports whether err is that of a connection that went away.
func closedMidway(err error) bool {
	var netErr net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &netErr)
}
