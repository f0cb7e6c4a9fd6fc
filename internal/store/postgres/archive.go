package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// The states of a row in ended.
const (
	stateDelivered = 1
	stateDead      = 2
)

// recordColumns are read by scanRecord. Whether a claim holds depends on the
// time, which is $1.
const recordColumns = `e.seq, r.name, coalesce(d.state, 0),
	(q.claim <> 0 AND q.due > coalesce($1::timestamptz, now())) OR (q.hold <> 0 AND l.until > coalesce($1::timestamptz, now())),
	coalesce(q.attempts, d.attempts, 0), coalesce(q.redelivered, d.redelivered, 0),
	CASE WHEN q.claim = 0 AND q.hold = 0 AND q.due > '-infinity' THEN q.due END, e.accepted, d.ended,
	e.id, k.source, k.type, k.org, e.subject, e.time, e.okey, e.refilled, e.trace,
	a.number, a.verdict, a.status, a.happened, a.after, a.reason, a.hint`

const recordFrom = ` FROM @events e JOIN @kinds k ON k.id = e.kind JOIN @routes r ON r.id = e.route
	LEFT JOIN @queue q ON q.seq = e.seq LEFT JOIN @lanes l ON l.route = q.route AND l.lane = q.lane AND l.token = q.hold LEFT JOIN @ended d ON d.seq = e.seq
	LEFT JOIN LATERAL (SELECT * FROM @attempts a WHERE a.seq = e.seq ORDER BY a.claim DESC LIMIT 1) a ON true`

func scanRecord(row pgx.CollectableRow, more ...any) (delivery.Record, error) {
	var rec delivery.Record
	var state int16
	var claimed *bool
	var due, ended, at *time.Time
	var last lastAttempt
	e := &rec.Event
	err := row.Scan(append([]any{
		&rec.Seq, &e.Route, &state, &claimed, &rec.Attempts, &rec.Redelivered, &due, &rec.Accepted, &ended,
		&e.ID, &e.Source, &e.Type, &e.OrgID, &e.Subject, &at, &e.Key, &e.Refilled, &e.TraceParent,
		&last.number, &last.verdict, &last.status, &last.happened, &last.after, &last.reason, &last.hint,
	}, more...)...)
	rec.State = stateOf(state, claimed != nil && *claimed)
	rec.Due, rec.Ended, rec.Accepted, e.Time = instant(due), instant(ended), rec.Accepted.UTC(), instant(at)
	rec.LastOutcome = last.outcome()
	for _, s := range []*string{&e.Route, &e.ID, &e.Source, &e.Type, &e.OrgID, &e.Subject, &e.Key, &e.TraceParent} {
		*s = untext(*s)
	}
	return rec, err
}

// lastAttempt is a failed attempt that may not exist.
type lastAttempt struct {
	number, status    *int32
	verdict, happened *int16
	after             *int64
	reason, hint      *string
}

func (l lastAttempt) outcome() event.Outcome {
	if l.number == nil {
		return event.Outcome{}
	}
	return event.Outcome{
		Verdict: event.Verdict(*l.verdict), Status: int(*l.status), Happened: event.Happened(*l.happened),
		After: time.Duration(*l.after), Reason: untext(*l.reason), Hint: untext(*l.hint),
	}
}

func stateOf(state int16, claimed bool) delivery.State {
	switch {
	case state == stateDelivered:
		return delivery.Delivered
	case state == stateDead:
		return delivery.DeadState
	case claimed:
		return delivery.InFlight
	}
	return delivery.Waiting
}

// List implements [delivery.Archive].
func (s *Store) List(ctx context.Context, f delivery.ListFilter) (records []delivery.Record, err error) {
	where := ` WHERE ($2 = '' OR r.name = $2) AND ($3 <= 0 OR e.seq < $3)`
	switch f.State {
	case delivery.Delivered:
		where += " AND d.state = 1"
	case delivery.DeadState:
		where += " AND d.state = 2"
	case delivery.Waiting:
		where += " AND q.seq IS NOT NULL"
	case delivery.InFlight:
		where += " AND (q.claim <> 0 AND q.due > coalesce($1::timestamptz, now()) OR q.hold <> 0 AND l.until > coalesce($1::timestamptz, now()))"
	}
	query := s.q("SELECT " + recordColumns + recordFrom + where + " ORDER BY e.seq DESC LIMIT $4")
	err = s.read(ctx, "list records", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, s.now(), text(f.Route), f.Before, max(f.Limit, 1))
		if err != nil {
			return err
		}
		records, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery.Record, error) { return scanRecord(row) })
		return err
	})
	return records, err
}

// Find implements [delivery.Archive].
func (s *Store) Find(ctx context.Context, id string) (records []delivery.Record, err error) {
	err = s.read(ctx, "find event", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q("SELECT "+recordColumns+", p.data"+recordFrom+
			" LEFT JOIN @payloads p ON p.seq = e.seq WHERE e.id = $2 ORDER BY e.seq"), s.now(), text(id))
		if err != nil {
			return err
		}
		records, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery.Record, error) {
			var data []byte
			rec, err := scanRecord(row, &data)
			rec.Event.Data = data
			return rec, err
		})
		for i := range records {
			if err == nil {
				records[i].History, err = s.history(ctx, tx, records[i].Seq)
			}
		}
		return err
	})
	return records, err
}

// Ended implements contract.Store.
func (s *Store) Ended(ctx context.Context, route string, ids []string) (ended []string, err error) {
	asked := make([]string, len(ids))
	for i, id := range ids {
		asked[i] = text(id)
	}
	err = s.read(ctx, "find ended events", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT id FROM (
				SELECT DISTINCT ON (e.id) e.id, d.seq IS NOT NULL AS ended FROM @events e LEFT JOIN @ended d ON d.seq = e.seq
				WHERE e.id = ANY($2) AND e.route = (SELECT id FROM @routes WHERE name = $1) ORDER BY e.id, e.seq DESC) newest
			WHERE ended`), text(route), asked)
		if err != nil {
			return err
		}
		ended, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			var id string
			err := row.Scan(&id)
			return untext(id), err
		})
		return err
	})
	return ended, err
}

// Standings implements contract.Store.
func (s *Store) Standings(ctx context.Context, route string, ids []string) (standings map[string]contract.Standing, err error) {
	asked := make([]string, len(ids))
	for i, id := range ids {
		asked[i] = text(id)
	}
	err = s.read(ctx, "find how events stand", func(tx pgx.Tx) error {
		standings = make(map[string]contract.Standing, len(ids))
		rows, err := tx.Query(ctx, s.q(`SELECT DISTINCT ON (e.id) e.id, e.accepted, coalesce(d.state, 0) FROM @events e LEFT JOIN @ended d ON d.seq = e.seq
			WHERE e.id = ANY($2) AND e.route = (SELECT id FROM @routes WHERE name = $1) ORDER BY e.id, e.seq DESC`), text(route), asked)
		if err != nil {
			return err
		}
		var id string
		var accepted time.Time
		var state int16
		_, err = pgx.ForEachRow(rows, []any{&id, &accepted, &state}, func() error {
			standings[untext(id)] = contract.Standing{State: stateOf(state, false), Accepted: accepted.UTC()}
			return nil
		})
		return err
	})
	return standings, err
}

// history reads the failed attempts of an event, oldest first.
func (s *Store) history(ctx context.Context, tx pgx.Tx, seq int64) ([]delivery.Attempt, error) {
	rows, err := tx.Query(ctx, s.q(`SELECT number, started, ended, verdict, status, happened, after, reason, hint
		FROM @attempts WHERE seq = $1 ORDER BY claim`), seq)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery.Attempt, error) {
		var a delivery.Attempt
		var started, ended *time.Time
		var l lastAttempt
		err := row.Scan(&l.number, &started, &ended, &l.verdict, &l.status, &l.happened, &l.after, &l.reason, &l.hint)
		if err == nil {
			a = delivery.Attempt{Number: int(*l.number), Started: instant(started), Ended: instant(ended), Outcome: l.outcome()}
		}
		return a, err
	})
}
