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

// conn is a reading connection inside a transaction, with what it has looked up
// in it.
type conn struct {
	*sqlite.Conn
	kinds  map[int64]kind
	routes map[int64]string
	last   *volume
}

// row is a row of a result.
type row struct{ *sqlite.Stmt }

func (a *archive) read(ctx context.Context, f func(c *conn) error) error {
	return a.pool.read(ctx, a.stopped, func(c *sqlite.Conn) error { return f(&conn{Conn: c}) })
}

// query calls each for every row of a query.
func (c *conn) query(query string, args []any, each func(r row)) error {
	return sqlitex.Execute(c.Conn, query, &sqlitex.ExecOptions{
		Args:       args,
		ResultFunc: func(s *sqlite.Stmt) error { each(row{s}); return nil },
	})
}

// walk calls each for the batches that a query of their numbers finds, until it
// returns false.
func (c *conn) walk(query string, args []any, each func(v *volume, steps []progress) (bool, error)) error {
	stmt, err := c.Prepare(query)
	if err != nil {
		return err
	}
	defer stmt.Reset()
	for i, arg := range args {
		switch arg := arg.(type) {
		case int64:
			stmt.BindInt64(i+1, arg)
		case string:
			stmt.BindText(i+1, arg)
		}
	}
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return err
		}
		v, err := c.volume(stmt.ColumnInt64(0))
		if err != nil {
			return err
		}
		steps, err := c.progress(v.first, v.n)
		if err != nil {
			return err
		}
		if more, err := each(v, steps); err != nil || !more {
			return err
		}
	}
}

// volume returns a batch without its body.
func (c *conn) volume(first int64) (*volume, error) {
	if c.last != nil && c.last.first == first {
		return c.last, nil
	}
	stmt, err := c.Prepare(readBatchQuery)
	if err != nil {
		return nil, err
	}
	c.last, err = readVolume(stmt, first)
	return c.last, err
}

// volumeOf returns the batch that holds an event, without its body, and which
// of its events that is.
func (c *conn) volumeOf(seq int64) (v *volume, i int, err error) {
	if v = c.last; v == nil || seq < v.first || seq >= v.first+int64(v.n) {
		first := int64(0)
		if err := c.query(batchOfQuery, []any{seq}, func(r row) { first = r.ColumnInt64(0) }); err != nil {
			return nil, 0, err
		}
		if v, err = c.volume(first); err != nil {
			return nil, 0, err
		}
	}
	if i = int(seq - v.first); i >= v.n {
		return nil, 0, fmt.Errorf("read event: record %d is missing", seq)
	}
	return v, i, nil
}

const batchOfQuery = "SELECT first FROM batches WHERE first <= ? ORDER BY first DESC LIMIT 1"

func (c *conn) progress(first int64, n int) ([]progress, error) {
	stmt, err := c.Prepare(progressQuery)
	if err != nil {
		return nil, err
	}
	return readProgress(stmt, first, n)
}

// payload returns the payload of event i of a batch.
func (c *conn) payload(v *volume, i int) ([]byte, error) {
	if !v.opened {
		stmt, err := c.Prepare(readBodyQuery)
		if err != nil {
			return nil, err
		}
		if err := v.open(stmt); err != nil {
			return nil, err
		}
	}
	return v.data(i), nil
}

// record tells of event i of a batch.
func (c *conn) record(v *volume, i int, p *progress, epoch int64) (delivery.Record, error) {
	k, err := c.kind(v.traits[i].kind)
	if err != nil {
		return delivery.Record{}, err
	}
	name, err := c.route(v.route)
	if err != nil {
		return delivery.Record{}, err
	}
	rec := delivery.Record{
		Seq: v.first + int64(i), State: p.of(epoch), Attempts: p.attempts, Redelivered: p.redelivered,
		Accepted: instant(v.accepted), Ended: instant(p.ended), Event: v.event(i, name, k),
	}
	if rec.State == delivery.Waiting {
		rec.Due = instant(p.due)
	}
	return rec, nil
}

// of returns the state that people are shown; claims of another epoch are void.
func (p *progress) of(epoch int64) delivery.State {
	switch {
	case p.state == rowDelivered:
		return delivery.Delivered
	case p.state == rowDead:
		return delivery.DeadState
	case p.claim != 0 && p.claim>>epochShift == epoch:
		return delivery.InFlight
	}
	return delivery.Waiting
}

func (c *conn) epoch() (epoch int64, err error) {
	err = c.query("SELECT value FROM meta WHERE name = 'epoch'", nil, func(r row) { epoch = r.ColumnInt64(0) })
	return epoch, err
}

func (c *conn) kind(number int64) (kind, error) {
	if k, ok := c.kinds[number]; ok {
		return k, nil
	}
	stmt, err := c.Prepare(readKindQuery)
	if err != nil {
		return kind{}, err
	}
	k, err := readKind(stmt, number)
	if err != nil {
		return kind{}, err
	}
	if c.kinds == nil {
		c.kinds = map[int64]kind{}
	}
	c.kinds[number] = k
	return k, nil
}

// route returns the name of a route.
func (c *conn) route(number int64) (string, error) {
	if c.routes == nil {
		c.routes = map[int64]string{}
		if err := c.query("SELECT id, name FROM routes", nil, func(r row) { c.routes[r.ColumnInt64(0)] = r.ColumnText(1) }); err != nil {
			return "", err
		}
	}
	name, ok := c.routes[number]
	if !ok {
		return "", fmt.Errorf("read route: route %d is missing", number)
	}
	return name, nil
}

// routeNumber is the inverse of route; 0 if there is no such route.
func (c *conn) routeNumber(name string) (number int64, err error) {
	err = c.query("SELECT id FROM routes WHERE name = ?", []any{name}, func(r row) { number = r.ColumnInt64(0) })
	return number, err
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
