package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// Claim implements [delivery.Queue].
func (s *Store) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	if err := s.writable("claim events"); err != nil {
		return nil, err
	}
	req.Max, req.Run = max(req.Max, 1), max(req.Run, 1)
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("claim events: %w", err)
		}
		wake := s.wakes.next(req.Route)
		claims, wait, err := s.claim(ctx, req)
		if err != nil {
			return nil, s.failure("claim events", err)
		}
		if len(claims) > 0 {
			return claims, nil
		}
		if err := s.sleep(ctx, wake, wait); err != nil {
			return nil, fmt.Errorf("claim events: %w", err)
		}
	}
}

// sleep waits for a wake, the next due time, or the end.
func (s *Store) sleep(ctx context.Context, wake <-chan struct{}, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return s.open("wait for events")
	}
	return nil
}

// claim claims what is to be had now. If that is nothing, wait says when to look
// again. A ctx that is done does not interrupt the statement: whatever it has
// claimed would be in nobody's hands until the lease ends.
func (s *Store) claim(ctx context.Context, req delivery.ClaimRequest) (claims []delivery.Claimed, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.StatementTimeout+5*time.Second)
	defer cancel()
	route, err := s.find(ctx, req.Route)
	if err != nil || route == 0 {
		return nil, s.cfg.Poll, err
	}
	query, args := s.claimQuery(route, req)
	err = s.pool.Query(ctx, func(rows pgx.Rows) error {
		c, err := scanClaimed(rows)
		c.Event.Route = req.Route
		claims = append(claims, c)
		return err
	}, query, args...)
	if err != nil || len(claims) > 0 {
		return claims, 0, err
	}
	wait, err = s.untilDue(ctx, route)
	return nil, wait, err
}

func (s *Store) claimQuery(route int32, req delivery.ClaimRequest) (string, []any) {
	args := []any{route, shard(), req.Owner, s.now(), req.Lease.Microseconds(), req.Max}
	const times = `coalesce($4::timestamptz, now()), coalesce($4::timestamptz, now()) + $5 * interval '1 microsecond'`
	if !req.Ordered {
		return s.q(`SELECT * FROM @claim_any($1, $2, $3, ` + times + `, $6)`), args
	}
	// Each claim begins its round of the lanes elsewhere, so that claimers do not
	// all want the same ones.
	return s.q(`SELECT * FROM @claim_lanes($1, $2, $3, ` + times + `, $6, $7, $8, $9)`),
		append(args, req.Run, rand.IntN(delivery.Lanes), s.space+int64(route)*delivery.Lanes)
}

// untilDue says how long nothing becomes due by itself, at most Poll.
func (s *Store) untilDue(ctx context.Context, route int32) (time.Duration, error) {
	us := s.cfg.Poll.Microseconds()
	err := s.pool.Query(ctx, func(rows pgx.Rows) error {
		var next *int64
		if err := rows.Scan(&next); err != nil {
			return err
		}
		if next != nil {
			us = min(us, max(*next, 1000))
		}
		return nil
	}, s.q(`SELECT (extract(epoch FROM min(due) - coalesce($2::timestamptz, now())) * 1000000)::bigint
		FROM @queue WHERE route = $1 AND due > coalesce($2::timestamptz, now()) AND due < 'infinity'`), route, s.now())
	return time.Duration(us) * time.Microsecond, err
}

// scanClaimed reads a row of the type claimed.
func scanClaimed(rows pgx.Rows) (delivery.Claimed, error) {
	var c delivery.Claimed
	var lane int16
	var at *time.Time
	var data []byte
	e := &c.Event
	err := rows.Scan(&c.Seq, &lane, &c.Token, &c.Attempt, &c.Redelivery, &c.Accepted,
		&e.ID, &e.Source, &e.Type, &e.OrgID, &e.Subject, &at, &e.Key, &e.Refilled, &e.TraceParent, &data)
	c.Lane, c.Accepted, e.Time, e.Data = int(lane), c.Accepted.UTC(), instant(at), data
	for _, s := range []*string{&e.ID, &e.Source, &e.Type, &e.OrgID, &e.Subject, &e.Key, &e.TraceParent} {
		*s = untext(*s)
	}
	return c, err
}

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
		rows, err := conn.Query(ctx, s.q(`
			WITH held AS MATERIALIZED (
				SELECT q.seq, q.claim FROM @queue q JOIN unnest($1::bigint[], $2::bigint[]) AS c (seq, claim) ON q.seq = c.seq AND q.claim = c.claim
				WHERE q.due > coalesce($3::timestamptz, now()) ORDER BY q.seq FOR UPDATE OF q
			)
			UPDATE @queue q SET due = coalesce($3::timestamptz, now()) + $4 * interval '1 microsecond'
			FROM held WHERE q.seq = held.seq RETURNING q.seq, q.claim`), seqs, tokens, s.now(), lease.Microseconds())
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
