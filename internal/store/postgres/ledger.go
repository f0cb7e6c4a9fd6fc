package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// Ledgers implements [delivery.Archive].
func (s *Store) Ledgers(ctx context.Context) (ledgers []delivery.Ledger, err error) {
	err = s.read(ctx, "read ledgers", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`
			WITH booked AS (
				SELECT route, sum(accepted)::bigint AS accepted, sum(delivered)::bigint AS delivered, sum(dead)::bigint AS dead,
					sum(redelivered)::bigint AS redelivered, sum(filtered)::bigint AS filtered, sum(duplicates)::bigint AS duplicates
				FROM @ledger GROUP BY route
			), waiting AS (SELECT route, count(*) AS n, min(accepted) AS oldest FROM @queue GROUP BY route)
			SELECT r.name, b.accepted, b.delivered, b.dead, b.redelivered, b.filtered, b.duplicates, coalesce(w.n, 0), w.oldest
			FROM booked b JOIN @routes r ON r.id = b.route LEFT JOIN waiting w ON w.route = b.route ORDER BY r.name COLLATE "C"`))
		if err != nil {
			return err
		}
		ledgers, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery.Ledger, error) {
			var l delivery.Ledger
			var oldest *time.Time
			err := row.Scan(&l.Route, &l.Accepted, &l.Delivered, &l.Dead, &l.Redelivered, &l.Filtered, &l.Duplicates, &l.Waiting, &oldest)
			l.Route, l.OldestWaiting = untext(l.Route), instant(oldest)
			return l, err
		})
		return err
	})
	return ledgers, err
}

// Depths implements contract.Store.
func (s *Store) Depths(ctx context.Context) (depths []delivery.Depth, err error) {
	err = s.read(ctx, "read depths", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT r.name, sum(l.accepted - l.delivered - l.dead)::bigint, sum(l.delivered + l.dead)::bigint
			FROM @ledger l JOIN @routes r ON r.id = l.route GROUP BY r.name`))
		if err != nil {
			return err
		}
		depths, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d delivery.Depth, err error) {
			err = row.Scan(&d.Route, &d.Waiting, &d.Ended)
			d.Route = untext(d.Route)
			return d, err
		})
		return err
	})
	return depths, err
}

// tally is what an audit counts of one route.
type tally struct {
	route                                  string
	accepted, delivered, dead, redelivered int64 // as booked
	records                                int64 // accepted events as counted
	waiting, gone, died, again             int64 // as counted: waiting, delivered, dead, redelivered
	purged, purgedAgain                    int64 // as removed by retention
	lost, twice, empty                     int64 // records in no state, in two; unsettled or dead without payload
}

// Audit implements [delivery.Archive].
func (s *Store) Audit(ctx context.Context) (findings []delivery.Finding, err error) {
	err = s.read(ctx, "audit store", func(tx pgx.Tx) error {
		findings = nil
		rows, err := tx.Query(ctx, s.q(auditQuery))
		if err != nil {
			return err
		}
		var t tally
		if _, err := pgx.ForEachRow(rows, []any{
			&t.route, &t.accepted, &t.delivered, &t.dead, &t.redelivered, &t.records, &t.waiting, &t.gone, &t.died, &t.again,
			&t.purged, &t.purgedAgain, &t.lost, &t.twice, &t.empty,
		}, func() error {
			t.route = untext(t.route)
			findings = append(findings, t.findings()...)
			return nil
		}); err != nil {
			return err
		}
		var strays int64
		err = tx.QueryRow(ctx, s.q(`SELECT (SELECT count(*) FROM @queue q WHERE NOT EXISTS (SELECT FROM @events e WHERE e.seq = q.seq))
			+ (SELECT count(*) FROM @ended d WHERE NOT EXISTS (SELECT FROM @events e WHERE e.seq = d.seq))`)).Scan(&strays)
		if strays > 0 {
			findings = append(findings, delivery.Finding{What: fmt.Sprintf("%d rows in queue or ended belong to no event", strays)})
		}
		if err != nil {
			return err
		}
		held, err := s.auditHolds(ctx, tx)
		findings = append(findings, held...)
		return err
	})
	return findings, err
}

// auditHolds finds lanes that count other events than those they hold: such a lane
// would stay shut until the lease ends, or be open too soon.
func (s *Store) auditHolds(ctx context.Context, tx pgx.Tx) (findings []delivery.Finding, err error) {
	rows, err := tx.Query(ctx, s.q(`
		WITH held AS (SELECT route, lane, hold, count(*) AS n FROM @queue WHERE hold <> 0 GROUP BY route, lane, hold),
		counted AS (SELECT route, lane, token, holding FROM @lanes WHERE holding <> 0)
		SELECT r.name, count(*) FROM held h FULL JOIN counted c ON c.route = h.route AND c.lane = h.lane AND c.token = h.hold
		JOIN @routes r ON r.id = coalesce(h.route, c.route)
		WHERE h.n IS DISTINCT FROM c.holding GROUP BY r.name`))
	if err != nil {
		return nil, err
	}
	var name string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		findings = append(findings, delivery.Finding{Route: untext(name), What: fmt.Sprintf("%d lanes count other events than they hold", n)})
		return nil
	})
	return findings, err
}

const auditQuery = `
WITH booked AS (
	SELECT route, sum(accepted)::bigint AS accepted, sum(delivered)::bigint AS delivered, sum(dead)::bigint AS dead,
		sum(redelivered)::bigint AS redelivered
	FROM @ledger GROUP BY route
), purged AS (
	SELECT route, sum(delivered)::bigint AS delivered, sum(redelivered)::bigint AS redelivered FROM @purges GROUP BY route
), counted AS (
	SELECT e.route, count(*) AS records, count(q.seq) AS waiting,
		count(*) FILTER (WHERE d.state = 1) AS delivered, count(*) FILTER (WHERE d.state = 2) AS dead,
		coalesce(sum(q.redelivered), 0)::bigint + coalesce(sum(d.redelivered), 0)::bigint AS redelivered,
		count(*) FILTER (WHERE q.seq IS NULL AND coalesce(d.state, 0) NOT IN (1, 2)) AS lost,
		count(*) FILTER (WHERE q.seq IS NOT NULL AND d.seq IS NOT NULL) AS twice,
		count(*) FILTER (WHERE d.state IS DISTINCT FROM 1 AND p.seq IS NULL) AS empty
	FROM @events e LEFT JOIN @queue q ON q.seq = e.seq LEFT JOIN @ended d ON d.seq = e.seq LEFT JOIN @payloads p ON p.seq = e.seq
	GROUP BY e.route
)
SELECT r.name, coalesce(b.accepted, 0), coalesce(b.delivered, 0), coalesce(b.dead, 0), coalesce(b.redelivered, 0),
	coalesce(c.records, 0), coalesce(c.waiting, 0), coalesce(c.delivered, 0), coalesce(c.dead, 0), coalesce(c.redelivered, 0),
	coalesce(p.delivered, 0), coalesce(p.redelivered, 0), coalesce(c.lost, 0), coalesce(c.twice, 0), coalesce(c.empty, 0)
FROM @routes r LEFT JOIN booked b ON b.route = r.id LEFT JOIN purged p ON p.route = r.id LEFT JOIN counted c ON c.route = r.id
ORDER BY r.name COLLATE "C"`

// findings compares what was booked with what was counted.
func (t tally) findings() (findings []delivery.Finding) {
	add := func(format string, args ...any) {
		findings = append(findings, delivery.Finding{Route: t.route, What: fmt.Sprintf(format, args...)})
	}
	if found := t.gone + t.died + t.waiting + t.purged; found != t.accepted {
		add("accepted %d, but found %d: delivered %d + dead %d + waiting %d + removed by retention %d",
			t.accepted, found, t.gone, t.died, t.waiting, t.purged)
	}
	if t.gone+t.purged != t.delivered {
		add("delivered %d, but found %d: records %d + removed by retention %d", t.delivered, t.gone+t.purged, t.gone, t.purged)
	}
	if t.died != t.dead {
		add("dead %d, but found %d", t.dead, t.died)
	}
	if t.again+t.purgedAgain != t.redelivered {
		add("redelivered %d, but found %d: records %d + removed by retention %d", t.redelivered, t.again+t.purgedAgain, t.again, t.purgedAgain)
	}
	if t.lost != 0 {
		add("%d accepted events are neither waiting nor ended", t.lost)
	}
	if t.twice != 0 {
		add("%d events are both waiting and ended", t.twice)
	}
	if t.empty != 0 {
		add("%d waiting or dead events have lost their payload", t.empty)
	}
	return findings
}
