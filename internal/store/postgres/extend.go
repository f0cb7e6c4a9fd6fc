package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// Extend implements [delivery.Queue]. A claim whose lease has run out cannot be
// extended: somebody may be about to claim its lane.
func (s *Store) Extend(ctx context.Context, claims []delivery.Claimed, lease time.Duration) (lost []delivery.Claimed, err error) {
	if err := s.writable("extend claims"); err != nil {
		return nil, err
	}
	seqs, tokens := make([]int64, len(claims)), make([]int64, len(claims))
	for i, c := range claims {
		seqs[i], tokens[i] = c.Seq, c.Token
	}
	kept := map[int64]int64{}
	err = s.write(ctx, "extend claims", func(ctx context.Context, conn *pgx.Conn) error {
		clear(kept)
		// An event that is part of a hold changes only when it is settled, and a hold
		// is extended as a whole.
		rows, err := conn.Query(ctx, s.q(`
			WITH input AS MATERIALIZED (
				SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS c (seq, token)
			), single AS MATERIALIZED (
				SELECT q.seq, q.claim FROM @queue q JOIN input i ON q.seq = i.seq AND q.claim = i.token
				WHERE q.due > coalesce($3::timestamptz, now()) ORDER BY q.seq FOR UPDATE OF q
			), extended AS (
				UPDATE @queue q SET due = coalesce($3::timestamptz, now()) + $4 * interval '1 microsecond'
				FROM single WHERE q.seq = single.seq RETURNING q.seq, q.claim
			), held AS MATERIALIZED (
				SELECT q.seq, q.route, q.lane, q.hold FROM @queue q JOIN input i ON q.seq = i.seq AND q.hold = i.token
			), lanes AS (
				UPDATE @lanes l SET until = coalesce($3::timestamptz, now()) + $4 * interval '1 microsecond'
				FROM (SELECT DISTINCT route, lane, hold FROM held) h
				WHERE l.route = h.route AND l.lane = h.lane AND l.token = h.hold AND l.until > coalesce($3::timestamptz, now())
				RETURNING l.route, l.lane
			)
			SELECT seq, claim FROM extended
			UNION ALL SELECT h.seq, h.hold FROM held h JOIN lanes l ON l.route = h.route AND l.lane = h.lane`),
			seqs, tokens, s.now(), lease.Microseconds())
		if err != nil {
			return err
		}
		var seq, token int64
		_, err = pgx.ForEachRow(rows, []any{&seq, &token}, func() error { kept[seq] = token; return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, c := range claims {
		if kept[c.Seq] != c.Token {
			lost = append(lost, c)
		}
	}
	return lost, nil
}
