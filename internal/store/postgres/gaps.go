package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// errUnknownGap is wrapped when a gap is updated that was never opened.
var errUnknownGap = errors.New("no such gap")

// OpenGap implements [subscription.Journal].
func (s *Store) OpenGap(ctx context.Context, g subscription.Gap) (number int64, err error) {
	if err := s.writable("open gap"); err != nil {
		return 0, err
	}
	err = s.write(ctx, "open gap", func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.q("INSERT INTO @gaps ("+gapColumns+") VALUES ("+gapParameters+") RETURNING number"),
			gapValues(g)...).Scan(&number)
	})
	return number, err
}

// UpdateGap implements [subscription.Journal].
func (s *Store) UpdateGap(ctx context.Context, g subscription.Gap) error {
	if err := s.writable("update gap"); err != nil {
		return err
	}
	var found bool
	err := s.write(ctx, "update gap", func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, s.q(setGap), append(gapValues(g), g.Number)...)
		found = tag.RowsAffected() == 1
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("update gap %d: %w", g.Number, errUnknownGap)
	}
	return err
}

// The columns of a gap, in the order of gapValues and scanGap.
const (
	gapColumns    = "subscription, state, cause, detail, span_from, span_until, opened, closed, refilled, object, cursor, began, filled, read, witness, covered"
	gapParameters = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::bytea, $12, $13, $14, $15, $16"
	setGap        = "UPDATE @gaps SET (" + gapColumns + ") = (" + gapParameters + ") WHERE number = $17"
)

// queueProgress replaces gaps that have not ended.
func (s *Store) queueProgress(batch *pgx.Batch, calls []*call[*appendCall]) {
	for _, c := range calls {
		if g := c.item.Gap; g != nil && c.err == nil {
			batch.Queue(s.q(setGap+" AND state IN ($18, $19)"),
				append(gapValues(*g), g.Number, string(subscription.GapOpen), string(subscription.GapRefilling))...)
		}
	}
}

func gapValues(g subscription.Gap) []any {
	var cursor []byte = g.Cursor
	return []any{
		text(g.Subscription), string(g.State), text(g.Cause), text(g.Detail), nullable(g.From), nullable(g.Until),
		nullable(g.Opened), nullable(g.Closed), g.Refilled, text(g.Object), cursor, nullable(g.Began), nullable(g.Filled), g.Read,
		text(g.Witness), nullable(g.Covered),
	}
}

// Gaps implements [subscription.Journal].
func (s *Store) Gaps(ctx context.Context, name string) (gaps []subscription.Gap, err error) {
	err = s.read(ctx, "list gaps", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q("SELECT number, "+gapColumns+" FROM @gaps WHERE $1 = '' OR subscription = $1 ORDER BY number DESC"), text(name))
		if err != nil {
			return err
		}
		gaps, err = pgx.CollectRows(rows, scanGap)
		return err
	})
	if len(gaps) == 0 {
		return nil, err
	}
	return gaps, err
}

func scanGap(row pgx.CollectableRow) (subscription.Gap, error) {
	var g subscription.Gap
	var state string
	var cursor []byte
	var from, until, opened, closed, began, filled, covered *time.Time
	err := row.Scan(&g.Number, &g.Subscription, &state, &g.Cause, &g.Detail, &from, &until, &opened, &closed, &g.Refilled,
		&g.Object, &cursor, &began, &filled, &g.Read, &g.Witness, &covered)
	g.State = subscription.GapState(state)
	g.Subscription, g.Cause, g.Detail, g.Object = untext(g.Subscription), untext(g.Cause), untext(g.Detail), untext(g.Object)
	g.Cursor, g.Began, g.Filled, g.Covered = cursor, instant(began), instant(filled), instant(covered)
	g.Witness = untext(g.Witness)
	g.From, g.Until, g.Opened, g.Closed = instant(from), instant(until), instant(opened), instant(closed)
	return g, err
}

// Checkpoint implements [subscription.Journal].
func (s *Store) Checkpoint(ctx context.Context, name string) (cp subscription.Checkpoint, err error) {
	err = s.read(ctx, "read checkpoint", func(tx pgx.Tx) error {
		var position []byte
		var at, moved *time.Time
		err := tx.QueryRow(ctx, s.q("SELECT position, event_time, moved FROM @positions WHERE subscription = $1"), text(name)).
			Scan(&position, &at, &moved)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		cp = subscription.Checkpoint{Position: position, EventTime: instant(at), Moved: instant(moved)}
		return err
	})
	return cp, err
}

// RecentIDs implements [subscription.Journal].
func (s *Store) RecentIDs(ctx context.Context, route string, limit int) (ids []string, err error) {
	err = s.read(ctx, "read recent ids", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT id FROM @events WHERE route = (SELECT id FROM @routes WHERE name = $1) ORDER BY seq DESC LIMIT $2`),
			text(route), max(limit, 0))
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			var id string
			err := row.Scan(&id)
			return untext(id), err
		})
		return err
	})
	return ids, err
}
