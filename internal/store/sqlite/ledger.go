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
			coalesce((SELECT sum(b.open) FROM batches b INDEXED BY batches_open WHERE b.route = r.id AND b.open > 0), 0),
			coalesce((SELECT b.accepted FROM batches b INDEXED BY batches_open WHERE b.route = r.id AND b.open > 0 ORDER BY b.first LIMIT 1), 0)
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

// Depths implements contract.Store.
func (a *archive) Depths(ctx context.Context) (depths []delivery.Depth, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query("SELECT name, accepted - delivered - dead, delivered + dead FROM routes", nil, func(r row) {
			depths = append(depths, delivery.Depth{Route: r.ColumnText(0), Waiting: r.ColumnInt64(1), Ended: r.ColumnInt64(2)})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read depths: %w", err)
	}
	return depths, nil
}

// tally is what an audit counts of one route.
type tally struct {
	number                                 int64
	route                                  string
	accepted, delivered, dead, redelivered int64 // as booked
	held, gone, died, again                int64 // as counted: in batches, delivered, dead, redelivered
	open, removed                          int64 // events of batches counted as open; removed from batches that are still there
	purged, purgedAgain                    int64 // as removed by retention
	odd, empty                             int64 // rows in no known state; unsettled or dead rows without payload
}

// Audit implements [delivery.Archive].
func (a *archive) Audit(ctx context.Context) (findings []delivery.Finding, err error) {
	err = a.read(ctx, func(c *conn) error {
		findings, err = c.audit()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit store: %w", err)
	}
	return findings, nil
}

func (c *conn) audit() (findings []delivery.Finding, err error) {
	lost, findings, err := c.lostPayloads()
	if err != nil {
		return nil, err
	}
	if err := c.query(auditQuery, nil, func(r row) {
		t := tally{number: r.ColumnInt64(0), route: r.ColumnText(1)}
		for i, to := range []*int64{
			&t.accepted, &t.delivered, &t.dead, &t.redelivered, &t.held, &t.open, &t.gone, &t.died, &t.removed, &t.again,
			&t.odd, &t.purged, &t.purgedAgain,
		} {
			*to = r.ColumnInt64(i + 2)
		}
		t.empty = lost[t.number]
		findings = append(findings, t.findings()...)
	}); err != nil {
		return nil, err
	}
	return findings, c.query(strayQuery, nil, func(r row) {
		findings = append(findings, delivery.Finding{What: fmt.Sprintf("%d events of route number %d, which has no ledger", r.ColumnInt64(1), r.ColumnInt64(0))})
	})
}

const auditQuery = `
SELECT r.id, r.name, r.accepted, r.delivered, r.dead, r.redelivered,
	coalesce(b.held, 0), coalesce(b.open, 0), coalesce(c.delivered, 0), coalesce(c.dead, 0), coalesce(c.removed, 0),
	coalesce(c.redelivered, 0), coalesce(c.odd, 0), coalesce(p.delivered, 0), coalesce(p.redelivered, 0)
FROM routes r
LEFT JOIN purges p ON p.route = r.id
LEFT JOIN (SELECT route, sum(n) AS held, sum(open) AS open FROM batches NOT INDEXED GROUP BY route) b ON b.route = r.id
LEFT JOIN (
	SELECT route, sum(state = 1) AS delivered, sum(state = 2) AS dead, sum(state = 3) AS removed,
		sum(redelivered) AS redelivered, sum(state NOT IN (0, 1, 2, 3)) AS odd
	FROM progress NOT INDEXED GROUP BY route
) c ON c.route = r.id
ORDER BY r.name`

const strayQuery = "SELECT route, sum(n) FROM batches WHERE route NOT IN (SELECT id FROM routes) GROUP BY route"

// lostPayloads counts per route the waiting and dead events whose payload is
// not there, and reports batches that cannot be read.
func (c *conn) lostPayloads() (lost map[int64]int64, findings []delivery.Finding, err error) {
	lost = map[int64]int64{}
	stmt, err := c.Prepare(`SELECT b.first, b.n, b.route, b.accepted, b.until, t.data, coalesce(length(o.data), -1) FROM batches b
		LEFT JOIN traits t USING (first) LEFT JOIN bodies o USING (first)
		WHERE b.open > 0 OR b.first IN (SELECT (SELECT first FROM batches WHERE first <= p.seq ORDER BY first DESC LIMIT 1)
			FROM progress p INDEXED BY progress_dead WHERE p.state = 2)`)
	if err != nil {
		return nil, nil, err
	}
	defer stmt.Reset()
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return lost, findings, err
		}
		v, err := scanVolume(stmt)
		if err != nil {
			name, nameErr := c.route(stmt.ColumnInt64(2))
			if nameErr != nil {
				return nil, nil, nameErr
			}
			findings = append(findings, delivery.Finding{Route: name, What: err.Error()})
			continue
		}
		steps, err := c.progress(v.first, v.n)
		if err != nil {
			return nil, nil, err
		}
		lost[v.route] += v.lost(steps, stmt.ColumnInt(6))
	}
}

// lost counts the waiting and dead events of a batch without payload, given the
// length of its body, -1 if there is none.
func (v *volume) lost(steps []progress, body int) (n int64) {
	for i := range steps {
		t, state := &v.traits[i], steps[i].state
		if (state == rowWaiting || state == rowDead) && (t.bare || t.at+t.size > body) {
			n++
		}
	}
	return n
}

// findings compares what was booked with what was counted.
func (t tally) findings() (findings []delivery.Finding) {
	add := func(format string, args ...any) {
		findings = append(findings, delivery.Finding{Route: t.route, What: fmt.Sprintf(format, args...)})
	}
	waiting := t.held - t.gone - t.died - t.removed - t.odd
	if found := t.held - t.removed + t.purged; found != t.accepted {
		add("accepted %d, but found %d: delivered %d + dead %d + waiting %d + removed by retention %d",
			t.accepted, found, t.gone, t.died, waiting, t.purged)
	}
	if waiting != t.open {
		add("waiting %d, but found %d", t.open, waiting)
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
