package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// fill gives claims their events: those that this process appended a moment ago
// from memory, the others from the tables. The claims are made, so reading is worth
// another connection; if that fails too, they come back when their lease has ended.
func (s *Store) fill(ctx context.Context, claims []delivery.Claimed) error {
	missing := map[int64]*event.Event{}
	s.recent.take(claims, missing)
	var err error
	for try := 0; len(missing) > 0 && try < 4; try++ {
		if err = s.readEvents(ctx, missing); err == nil {
			return nil
		}
	}
	return err
}

// readEvents reads events by number. What it has read stays, even if it fails later.
func (s *Store) readEvents(ctx context.Context, into map[int64]*event.Event) error {
	seqs := make([]int64, 0, len(into))
	for seq := range into {
		seqs = append(seqs, seq)
	}
	events, kinds := make([]*event.Event, 0, len(into)), make([]int32, 0, len(into))
	err := s.pool.Query(ctx, func(rows pgx.Rows) error {
		seq, kind, e, err := scanEvent(rows)
		if to := into[seq]; err == nil && to != nil {
			*to = e
			events, kinds = append(events, to), append(kinds, kind)
		}
		return err
	}, s.q(`SELECT e.seq, e.kind, e.id, e.subject, e.time, e.okey, e.refilled, e.trace, p.data
		FROM unnest($1::bigint[]) AS i (seq) JOIN @events e ON e.seq = i.seq LEFT JOIN @payloads p ON p.seq = i.seq`), seqs)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return s.describe(ctx, events, kinds)
}

// scanEvent reads an event. The kind's words and the route are missing.
func scanEvent(rows pgx.Rows) (seq int64, kind int32, e event.Event, err error) {
	var at *time.Time
	err = rows.Scan(&seq, &kind, &e.ID, &e.Subject, &at, &e.Key, &e.Refilled, &e.TraceParent, &e.Data)
	e.Time = instant(at)
	for _, s := range []*string{&e.ID, &e.Subject, &e.Key, &e.TraceParent} {
		*s = untext(*s)
	}
	return seq, kind, e, err
}
