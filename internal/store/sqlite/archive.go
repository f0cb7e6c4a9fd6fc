package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// archive is the reading half of the store. It needs no ownership of the file.
type archive struct {
	pool    *pool
	stopped <-chan struct{}
	now     func() time.Time
}

// conn is a reading connection inside a transaction.
type conn struct{ *sqlite.Conn }

// row is a row of a result.
type row struct{ *sqlite.Stmt }

func (a *archive) read(ctx context.Context, f func(c *conn) error) error {
	return a.pool.read(ctx, a.stopped, func(c *sqlite.Conn) error { return f(&conn{c}) })
}

// query calls each for every row of a query.
func (c *conn) query(query string, args []any, each func(r row)) error {
	return sqlitex.Execute(c.Conn, query, &sqlitex.ExecOptions{
		Args:       args,
		ResultFunc: func(s *sqlite.Stmt) error { each(row{s}); return nil },
	})
}

const recordColumns = `e.seq, r.name, e.state,
	e.claim <> 0 AND e.claim >> 40 = coalesce((SELECT value FROM meta WHERE name = 'epoch'), 0),
	e.attempts, e.redelivered, e.due, e.accepted, e.ended, ` + eventColumns

// recordFrom joins in what a record is told from.
const recordFrom = ` FROM events e JOIN kinds k ON k.id = e.kind JOIN routes r ON r.id = e.route`

func scanRecord(r row) delivery.Record {
	rec := delivery.Record{
		Seq: r.ColumnInt64(0), State: stateOf(r.ColumnInt(2), r.ColumnBool(3)),
		Attempts: r.ColumnInt(4), Redelivered: r.ColumnInt(5),
		Accepted: instant(r.ColumnInt64(7)), Ended: instant(r.ColumnInt64(8)),
		Event: scanEvent(r.Stmt, 9),
	}
	rec.Event.Route = r.ColumnText(1)
	if rec.State == delivery.Waiting {
		rec.Due = instant(r.ColumnInt64(6))
	}
	return rec
}

func stateOf(state int, claimed bool) delivery.State {
	switch {
	case state == rowDelivered:
		return delivery.Delivered
	case state == rowDead:
		return delivery.DeadState
	case claimed:
		return delivery.InFlight
	}
	return delivery.Waiting
}

// List implements [delivery.Archive].
func (a *archive) List(ctx context.Context, f delivery.ListFilter) (records []delivery.Record, err error) {
	where, args := listWhere(f)
	query := "SELECT " + recordColumns + recordFrom + where + " ORDER BY e.seq DESC LIMIT ?"
	err = a.read(ctx, func(c *conn) error {
		if err := c.query(query, append(args, max(f.Limit, 1)), func(r row) {
			records = append(records, scanRecord(r))
		}); err != nil {
			return err
		}
		for i := range records {
			history, err := c.history(records[i].Seq, "DESC LIMIT 1")
			if err != nil {
				return err
			}
			if len(history) > 0 {
				records[i].LastOutcome = history[0].Outcome
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return records, nil
}

func listWhere(f delivery.ListFilter) (where string, args []any) {
	where = " WHERE true"
	if f.Route != "" {
		where += " AND e.route = (SELECT id FROM routes WHERE name = ?)"
		args = append(args, f.Route)
	}
	switch f.State {
	case delivery.Delivered:
		where += " AND e.state = 1"
	case delivery.DeadState:
		where += " AND e.state = 2"
	case delivery.Waiting:
		where += " AND e.state = 0"
	case delivery.InFlight:
		where += " AND e.state = 0 AND e.claim <> 0 AND e.claim >> 40 = coalesce((SELECT value FROM meta WHERE name = 'epoch'), 0)"
	}
	if f.Before > 0 {
		where += " AND e.seq < ?"
		args = append(args, f.Before)
	}
	return where, args
}

// Find implements [delivery.Archive]. It reads the records through: there is no
// index on the event id, because keeping one would cost every append more than
// all lookups together gain.
func (a *archive) Find(ctx context.Context, id string) (records []delivery.Record, err error) {
	err = a.read(ctx, func(c *conn) error {
		if err := c.query("SELECT "+recordColumns+", p.data"+recordFrom+
			" LEFT JOIN payloads p ON p.seq = e.seq WHERE e.id = ? ORDER BY e.seq", []any{id}, func(r row) {
			rec := scanRecord(r)
			rec.Event.Data = columnBytes(r.Stmt, 18)
			records = append(records, rec)
		}); err != nil {
			return err
		}
		for i := range records {
			if records[i].History, err = c.history(records[i].Seq, ""); err != nil {
				return err
			}
			if n := len(records[i].History); n > 0 {
				records[i].LastOutcome = records[i].History[n-1].Outcome
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find event: %w", err)
	}
	return records, nil
}

// history reads the failed attempts of an event in the order that suffix asks for.
func (c *conn) history(seq int64, suffix string) (attempts []delivery.Attempt, err error) {
	err = c.query(`SELECT number, started, ended, verdict, status, happened, after, reason, hint
		FROM attempts WHERE seq = ? ORDER BY claim `+suffix, []any{seq}, func(r row) {
		attempts = append(attempts, delivery.Attempt{
			Number: r.ColumnInt(0), Started: instant(r.ColumnInt64(1)), Ended: instant(r.ColumnInt64(2)),
			Outcome: event.Outcome{
				Verdict: event.Verdict(r.ColumnInt(3)), Status: r.ColumnInt(4), Happened: event.Happened(r.ColumnInt(5)),
				After: time.Duration(r.ColumnInt64(6)), Reason: r.ColumnText(7), Hint: r.ColumnText(8),
			},
		})
	})
	return attempts, err
}
