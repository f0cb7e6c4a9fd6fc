package sqlite

import (
	"context"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// Ledgers implements [delivery.Archive].
func (a *archive) Ledgers(ctx context.Context) (ledgers []delivery.Ledger, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query(`SELECT name, accepted, delivered, dead, redelivered, filtered, duplicates,
			(SELECT count(*) FROM events e INDEXED BY events_waiting WHERE e.route = r.id AND e.state = 0),
			coalesce((SELECT e.accepted FROM events e INDEXED BY events_waiting WHERE e.route = r.id AND e.state = 0 ORDER BY e.seq LIMIT 1), 0)
			FROM routes r ORDER BY name`, nil, func(r row) {
			ledgers = append(ledgers, delivery.Ledger{
				Route: r.ColumnText(0), Accepted: r.ColumnInt64(1), Delivered: r.ColumnInt64(2), Dead: r.ColumnInt64(3),
				Redelivered: r.ColumnInt64(4), Filtered: r.ColumnInt64(5), Duplicates: r.ColumnInt64(6),
				Waiting: r.ColumnInt64(7), OldestWaiting: instant(r.ColumnInt64(8)),
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read ledgers: %w", err)
	}
	return ledgers, nil
}

// tally is what an audit counts of one route.
type tally struct {
	route                                  string
	accepted, delivered, dead, redelivered int64 // as booked
	waiting, gone, died, again             int64 // as counted: waiting, delivered, dead, redelivered
	purged, purgedAgain                    int64 // as removed by retention
	odd, empty                             int64 // rows in no known state; unsettled or dead rows without payload
}

// Audit implements [delivery.Archive].
func (a *archive) Audit(ctx context.Context) (findings []delivery.Finding, err error) {
	err = a.read(ctx, func(c *conn) error {
		if err := c.query(auditQuery, nil, func(r row) {
			t := tally{route: r.ColumnText(0)}
			for i, to := range []*int64{
				&t.accepted, &t.delivered, &t.dead, &t.redelivered, &t.waiting, &t.gone, &t.died, &t.again,
				&t.odd, &t.empty, &t.purged, &t.purgedAgain,
			} {
				*to = r.ColumnInt64(i + 1)
			}
			findings = append(findings, t.findings()...)
		}); err != nil {
			return err
		}
		return c.query(`SELECT e.route, count(*) FROM events e WHERE e.route NOT IN (SELECT id FROM routes) GROUP BY e.route`, nil, func(r row) {
			findings = append(findings, delivery.Finding{What: fmt.Sprintf("%d records of route number %d, which has no ledger", r.ColumnInt64(1), r.ColumnInt64(0))})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("audit store: %w", err)
	}
	return findings, nil
}

const auditQuery = `
SELECT r.name, r.accepted, r.delivered, r.dead, r.redelivered,
	coalesce(c.waiting, 0), coalesce(c.delivered, 0), coalesce(c.dead, 0), coalesce(c.redelivered, 0),
	coalesce(c.odd, 0), coalesce(c.empty, 0), coalesce(p.delivered, 0), coalesce(p.redelivered, 0)
FROM routes r
LEFT JOIN purges p ON p.route = r.id
LEFT JOIN (
	SELECT e.route, sum(e.state = 0) AS waiting, sum(e.state = 1) AS delivered, sum(e.state = 2) AS dead,
		sum(e.redelivered) AS redelivered, sum(e.state NOT IN (0, 1, 2)) AS odd,
		sum(e.state <> 1 AND NOT EXISTS (SELECT 1 FROM payloads d WHERE d.seq = e.seq)) AS empty
	FROM events e NOT INDEXED GROUP BY e.route
) c ON c.route = r.id
ORDER BY r.name`

// findings compares what was booked with what was counted.
func (t tally) findings() (findings []delivery.Finding) {
	add := func(format string, args ...any) {
		findings = append(findings, delivery.Finding{Route: t.route, What: fmt.Sprintf(format, args...)})
	}
	if found := t.gone + t.died + t.waiting + t.odd + t.purged; found != t.accepted {
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
	if t.odd != 0 {
		add("%d records are in no known state", t.odd)
	}
	if t.empty != 0 {
		add("%d waiting or dead events have lost their payload", t.empty)
	}
	return findings
}
