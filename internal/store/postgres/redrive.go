package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// redriveStep bounds the dead letters that one transaction moves.
const redriveStep = 1000

// Redrive implements [delivery.Queue]. It moves what is dead when it begins, in
// steps; an error leaves the steps done so far, and their number is returned
// with it.
func (s *Store) Redrive(ctx context.Context, f delivery.DeadFilter) (moved int, err error) {
	if err := s.open("redrive dead letters"); err != nil {
		return 0, err
	}
	dead, err := s.deadLetters(ctx, f)
	if err != nil {
		return 0, err
	}
	for len(dead) > 0 {
		step := dead[:min(redriveStep, len(dead))]
		dead = dead[len(step):]
		n, err := s.redrive(ctx, step, f.By)
		if err != nil {
			return moved, err
		}
		moved += n
	}
	return moved, nil
}

// deadLetters returns the sequence numbers of the dead letters that f selects.
func (s *Store) deadLetters(ctx context.Context, f delivery.DeadFilter) (seqs []int64, err error) {
	var ids []string
	for _, id := range f.IDs {
		ids = append(ids, text(id))
	}
	err = s.read(ctx, "find dead letters", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`
			SELECT d.seq FROM @ended d JOIN @events e ON e.seq = d.seq JOIN @routes r ON r.id = d.route
			WHERE d.state = 2 AND ($1 = '' OR r.name = $1) AND ($2::text[] IS NULL OR e.id = ANY ($2)) ORDER BY d.seq`), text(f.Route), ids)
		if err != nil {
			return err
		}
		seqs, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return seqs, err
}

// redrive moves those of seqs that are still dead.
func (s *Store) redrive(ctx context.Context, seqs []int64, by string) (moved int, err error) {
	routes := map[string]bool{}
	err = s.write(ctx, "redrive dead letters", func(ctx context.Context, conn *pgx.Conn) error {
		moved = 0
		books := newBooks()
		if err := s.trailRedriven(ctx, conn, seqs, by); err != nil {
			return fmt.Errorf("write audit trail: %w", err)
		}
		rows, err := conn.Query(ctx, s.q(`
			WITH dead AS MATERIALIZED (
				SELECT d.seq FROM @ended d WHERE d.seq = ANY ($1::bigint[]) AND d.state = 2 ORDER BY d.seq FOR UPDATE
			), gone AS (
				DELETE FROM @ended d USING dead WHERE d.seq = dead.seq RETURNING d.seq, d.redelivered, d.unanswered
			), back AS (
				INSERT INTO @queue (route, lane, seq, due, claim, owner, attempts, redelivered, unanswered, accepted)
				SELECT e.route, e.lane, g.seq, '-infinity', 0, '', 0, g.redelivered, g.unanswered, e.accepted
				FROM gone g JOIN @events e ON e.seq = g.seq RETURNING route
			)
			SELECT b.route, r.name, count(*) FROM back b JOIN @routes r ON r.id = b.route GROUP BY 1, 2`), seqs)
		if err != nil {
			return err
		}
		var route int32
		var name string
		var n int64
		if _, err := pgx.ForEachRow(rows, []any{&route, &name, &n}, func() error {
			moved += int(n)
			books.of(route).dead -= n
			routes[untext(name)] = true
			return nil
		}); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		books.queue(s, batch)
		return conn.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return 0, err
	}
	for name := range routes {
		s.wakes.everywhere(name)
	}
	return moved, nil
}
