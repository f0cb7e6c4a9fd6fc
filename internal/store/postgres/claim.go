package postgres

import (
	"context"
	"fmt"
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
		claims = append(claims, c)
		return err
	}, query, args...)
	if err == nil && len(claims) > 0 {
		err = s.fill(ctx, claims)
	}
	for i := range claims {
		claims[i].Event.Route = req.Route
	}
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
		return s.q(`SELECT * FROM @claim_events($1, $2, $3, ` + times + `, $6)`), args
	}
	return s.q(`SELECT * FROM @hold_lanes($1, $2, $3, ` + times + `, $6, $7)`), append(args, req.Run)
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
	}, s.q(`SELECT (extract(epoch FROM least(
			(SELECT min(due) FROM @queue WHERE route = $1 AND due > coalesce($2::timestamptz, now()) AND due < 'infinity'),
			(SELECT min(until) FROM @lanes WHERE route = $1 AND holding > 0)
		) - coalesce($2::timestamptz, now())) * 1000000)::bigint`), route, s.now())
	return time.Duration(us) * time.Microsecond, err
}

// scanClaimed reads a row of the type claim_made. The event is missing.
func scanClaimed(rows pgx.Rows) (c delivery.Claimed, err error) {
	var lane int16
	err = rows.Scan(&c.Seq, &lane, &c.Token, &c.Attempt, &c.Redelivery, &c.Accepted)
	c.Lane, c.Accepted = int(lane), c.Accepted.UTC()
	return c, err
}
