package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// errUnknownGap is wrapped when a gap is updated that was never opened.
var errUnknownGap = errors.New("no such gap")

// OpenGap implements [subscription.Journal].
func (s *Store) OpenGap(ctx context.Context, g subscription.Gap) (number int64, err error) {
	err = s.write(ctx, "open gap", func(*task) func(*txn) error {
		return func(tx *txn) error {
			err := execute(tx.w.conn, "INSERT INTO gaps ("+gapColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", gapValues(g)...)
			number = tx.w.conn.LastInsertRowID()
			return err
		}
	})
	return number, err
}

// UpdateGap implements [subscription.Journal].
func (s *Store) UpdateGap(ctx context.Context, g subscription.Gap) error {
	return s.write(ctx, "update gap", func(t *task) func(*txn) error {
		return func(tx *txn) error {
			err := execute(tx.w.conn, setGap, append(gapValues(g), g.Number)...)
			if err == nil && tx.w.conn.Changes() == 0 {
				t.err = fmt.Errorf("update gap %d: %w", g.Number, errUnknownGap)
			}
			return err
		}
	})
}

// The columns of a gap, in the order of gapValues and scanGap.
const (
	gapColumns = "subscription, state, cause, detail, span_from, span_until, opened, closed, refilled, object, cursor, began, filled, read, witness, covered"
	setGap     = "UPDATE gaps SET (" + gapColumns + ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE number = ?"
)

// progress replaces a gap that has not ended.
func (tx *txn) progress(g *subscription.Gap) error {
	values := append(gapValues(*g), g.Number, string(subscription.GapOpen), string(subscription.GapRefilling))
	if err := execute(tx.w.conn, setGap+" AND state IN (?, ?)", values...); err != nil {
		return fmt.Errorf("update gap %d: %w", g.Number, err)
	}
	return nil
}

func gapValues(g subscription.Gap) []any {
	var cursor any
	if g.Cursor != nil {
		cursor = []byte(g.Cursor)
	}
	return []any{
		g.Subscription, string(g.State), g.Cause, g.Detail, micros(g.From), micros(g.Until),
		micros(g.Opened), micros(g.Closed), g.Refilled, g.Object, cursor, micros(g.Began), micros(g.Filled), g.Read,
		g.Witness, micros(g.Covered),
	}
}

// Gaps implements [subscription.Journal].
func (a *archive) Gaps(ctx context.Context, name string) (gaps []subscription.Gap, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query("SELECT number, "+gapColumns+" FROM gaps WHERE ?1 = '' OR subscription = ?1 ORDER BY number DESC", []any{name},
			func(r row) { gaps = append(gaps, scanGap(r)) })
	})
	if err != nil {
		return nil, fmt.Errorf("list gaps: %w", err)
	}
	return gaps, nil
}

func scanGap(r row) subscription.Gap {
	return subscription.Gap{
		Number: r.ColumnInt64(0), Subscription: r.ColumnText(1), State: subscription.GapState(r.ColumnText(2)),
		Cause: r.ColumnText(3), Detail: r.ColumnText(4),
		From: instant(r.ColumnInt64(5)), Until: instant(r.ColumnInt64(6)),
		Opened: instant(r.ColumnInt64(7)), Closed: instant(r.ColumnInt64(8)), Refilled: r.ColumnInt64(9),
		Object: r.ColumnText(10), Cursor: columnBytes(r.Stmt, 11),
		Began: instant(r.ColumnInt64(12)), Filled: instant(r.ColumnInt64(13)), Read: r.ColumnInt64(14),
		Witness: r.ColumnText(15), Covered: instant(r.ColumnInt64(16)),
	}
}

// Checkpoint implements [subscription.Journal].
func (a *archive) Checkpoint(ctx context.Context, name string) (cp subscription.Checkpoint, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query("SELECT position, event_time, moved FROM positions WHERE subscription = ?", []any{name}, func(r row) {
			cp.Position = event.Position(columnBytes(r.Stmt, 0))
			cp.EventTime, cp.Moved = instant(r.ColumnInt64(1)), instant(r.ColumnInt64(2))
		})
	})
	if err != nil {
		return subscription.Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	return cp, nil
}

// RecentIDs implements [subscription.Journal].
func (a *archive) RecentIDs(ctx context.Context, route string, limit int) (ids []string, err error) {
	if limit <= 0 {
		return nil, nil
	}
	const query = "SELECT first FROM batches WHERE route = (SELECT id FROM routes WHERE name = ?) ORDER BY first DESC"
	err = a.read(ctx, func(c *conn) error {
		return c.walk(query, []any{route}, func(v *volume, _ []progress) (bool, error) {
			for i := v.n - 1; i >= 0 && len(ids) < limit; i-- {
				if !v.traits[i].gone {
					ids = append(ids, strings.Clone(v.traits[i].id))
				}
			}
			return len(ids) < limit, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read recent ids: %w", err)
	}
	return ids, nil
}
