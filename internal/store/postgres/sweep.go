package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// sweepStep bounds the rows that one transaction of a sweep removes.
const sweepStep = 2000

// Sweep implements [contract.Store]. Several processes may sweep at once.
func (s *Store) Sweep(ctx context.Context, r contract.Retention) (swept contract.Swept, err error) {
	if err := s.writable("sweep store"); err != nil {
		return swept, err
	}
	if r.Metadata > 0 {
		if err := s.sweepRecords(ctx, max(r.Metadata, r.Payload), &swept); err != nil {
			return swept, err
		}
		if err := s.sweepRegister(ctx, r.Metadata, &swept); err != nil {
			return swept, err
		}
	}
	if r.Payload > 0 {
		if err := s.sweepPayloads(ctx, r.Payload, &swept); err != nil {
			return swept, err
		}
	}
	if err := s.sweepArrivals(ctx, &swept); err != nil {
		return swept, err
	}
	return swept, s.steps(ctx, "remove expired keys", &swept.Keys, nil, s.q(`
		WITH old AS MATERIALIZED (
			SELECT scope, key FROM @keys WHERE expires <= coalesce($1::timestamptz, now()) ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED
		), gone AS (DELETE FROM @keys k USING old WHERE k.scope = old.scope AND k.key = old.key RETURNING 1)
		SELECT count(*), 0 FROM gone`), s.now(), sweepStep)
}

// sweepArrivals forgets the ids that are no longer remembered.
func (s *Store) sweepArrivals(ctx context.Context, swept *contract.Swept) error {
	return s.steps(ctx, "forget ids", &swept.Keys, nil, s.q(`
		WITH old AS MATERIALIZED (
			SELECT route, id FROM @arrivals WHERE expires <= coalesce($1::timestamptz, now()) ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED
		), gone AS (DELETE FROM @arrivals a USING old WHERE a.route = old.route AND a.id = old.id RETURNING 1)
		SELECT count(*), 0 FROM gone`), s.now(), sweepStep)
}

// sweepRecords removes delivered events with all that belongs to them and counts
// them as removed: those that have lost their payload already, and then those that
// have not. Each kind has an index of its own.
func (s *Store) sweepRecords(ctx context.Context, age time.Duration, swept *contract.Swept) error {
	for _, which := range []string{"NOT payload", "payload"} {
		if err := s.steps(ctx, "remove records", &swept.Records, &swept.Payloads, s.q(`
			WITH old AS MATERIALIZED (
				SELECT seq FROM @ended WHERE state = 1 AND `+which+` AND ended <= coalesce($1::timestamptz, now()) - $3 * interval '1 microsecond'
				ORDER BY ended LIMIT $2 FOR UPDATE SKIP LOCKED
			), gone AS (
				DELETE FROM @ended d USING old WHERE d.seq = old.seq RETURNING d.seq, d.route, d.redelivered
			), events AS (
				DELETE FROM @events e USING old WHERE e.seq = old.seq
			), attempts AS (
				DELETE FROM @attempts a USING old WHERE a.seq = old.seq
			), payloads AS (
				DELETE FROM @payloads p USING old WHERE p.seq = old.seq RETURNING 1
			), booked AS (
				INSERT INTO @purges AS p (route, shard, delivered, redelivered)
				SELECT route, $4::smallint, count(*), sum(redelivered) FROM gone GROUP BY route ORDER BY route
				ON CONFLICT (route, shard) DO UPDATE SET delivered = p.delivered + excluded.delivered, redelivered = p.redelivered + excluded.redelivered
			)
			SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM payloads)`), s.now(), sweepStep, age.Microseconds(), shard()); err != nil {
			return err
		}
	}
	return nil
}

// sweepPayloads removes the payloads of delivered events.
func (s *Store) sweepPayloads(ctx context.Context, age time.Duration, swept *contract.Swept) error {
	return s.steps(ctx, "remove payloads", &swept.Payloads, nil, s.q(`
		WITH old AS MATERIALIZED (
			SELECT seq FROM @ended WHERE state = 1 AND payload AND ended <= coalesce($1::timestamptz, now()) - $3 * interval '1 microsecond'
			ORDER BY ended LIMIT $2 FOR UPDATE SKIP LOCKED
		), marked AS (
			UPDATE @ended d SET payload = false FROM old WHERE d.seq = old.seq RETURNING 1
		), gone AS (
			DELETE FROM @payloads p USING old WHERE p.seq = old.seq
		)
		SELECT count(*), 0 FROM marked`), s.now(), sweepStep, age.Microseconds())
}

// steps repeats a statement that removes up to sweepStep rows until it removes
// fewer. The statement returns two counts, of which the first is that of rows.
func (s *Store) steps(ctx context.Context, op string, rows, more *int64, statement string, args ...any) error {
	for {
		var n, m int64
		if err := s.write(ctx, op, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, statement, args...).Scan(&n, &m)
		}); err != nil {
			return err
		}
		*rows += n
		if more != nil {
			*more += m
		}
		if n < sweepStep {
			return nil
		}
	}
}
