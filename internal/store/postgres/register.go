package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var _ contract.Register = (*Store)(nil)

// Post implements [contract.Register].
func (s *Store) Post(ctx context.Context, postings []contract.Posting) (entered [][]bool, err error) {
	if err := s.writable("post to the register"); err != nil {
		return nil, err
	}
	err = s.write(ctx, "post to the register", func(ctx context.Context, conn *pgx.Conn) (err error) {
		entered, err = s.post(ctx, conn, postings)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entered, nil
}

func (s *Store) post(ctx context.Context, conn *pgx.Conn, postings []contract.Posting) ([][]bool, error) {
	out := make([][]bool, len(postings))
	for i := range postings {
		p := &postings[i]
		out[i] = make([]bool, len(p.Entries))
		sum := contract.Account{Confirmed: p.Confirmed, Duplicates: p.Duplicates, Redelivered: p.Redelivered}
		for _, pass := range contract.Passes(p.Entries) {
			if err := s.enter(ctx, conn, p, pass, out[i], &sum); err != nil {
				return nil, err
			}
		}
		if err := s.trailPosted(ctx, conn, p, out[i]); err != nil {
			return nil, err
		}
		if _, err := conn.Exec(ctx, s.q(`
			INSERT INTO @accounts AS a VALUES ($1, $2, $3, $4, $5, $6, $7, 0)
			ON CONFLICT (route, shard) DO UPDATE SET confirmed = a.confirmed + excluded.confirmed, delivered = a.delivered + excluded.delivered,
			dead = a.dead + excluded.dead, duplicates = a.duplicates + excluded.duplicates, redelivered = a.redelivered + excluded.redelivered`),
			text(p.Route), shard(), sum.Confirmed, sum.Delivered, sum.Dead, sum.Duplicates, sum.Redelivered); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// enter writes entries of different ids. A first statement claims a row per id
// (adding what is not there as unknown), so that the states it returns stay true
// until the end of the transaction; the second changes what may be changed. Rows
// are locked in the order of their ids, so that two processes never wait for each other.
func (s *Store) enter(ctx context.Context, conn *pgx.Conn, p *contract.Posting, pass []int, entered []bool, sum *contract.Account) error {
	slices.SortFunc(pass, func(a, b int) int {
		return cmp.Compare(p.Entries[a].Record.Event.ID, p.Entries[b].Record.Event.ID)
	})
	ids := make([]string, len(pass))
	at := make(map[string]int, len(pass))
	for k, j := range pass {
		ids[k] = text(p.Entries[j].Record.Event.ID)
		at[ids[k]] = j
	}
	rows, err := conn.Query(ctx, s.q(`
		INSERT INTO @registered AS r (route, id, state, at, copy, record)
		SELECT $1, id, -1, coalesce($3::timestamptz, now()), '', '{}' FROM unnest($2::text[]) WITH ORDINALITY AS i (id, n) ORDER BY n
		ON CONFLICT (route, id) DO UPDATE SET copy = r.copy RETURNING id, state`), text(p.Route), ids, s.now())
	if err != nil {
		return err
	}
	var change changes
	var id string
	var before int16
	_, err = pgx.ForEachRow(rows, []any{&id, &before}, func() error {
		j := at[id]
		e := &p.Entries[j]
		c := contract.ChangeOf(e, int(before))
		entered[j] = c.Enter
		sum.Delivered += c.Delivered
		sum.Dead += c.Dead
		if !c.Enter {
			return nil
		}
		return change.add(id, e)
	})
	if err != nil || len(change.ids) == 0 {
		return err
	}
	_, err = conn.Exec(ctx, s.q(`
		UPDATE @registered r SET state = i.state, at = coalesce($7::timestamptz, now()), copy = i.copy, digest = i.digest, record = i.record
		FROM unnest($2::text[], $3::smallint[], $4::text[], $5::bytea[], $6::bytea[]) AS i (id, state, copy, digest, record)
		WHERE r.route = $1 AND r.id = i.id`), text(p.Route), change.ids, change.states, change.copies, change.digests, change.records, s.now())
	return err
}

// changes are the columns of rows to be changed.
type changes struct {
	ids, copies      []string
	states           []int16
	digests, records [][]byte
}

func (c *changes) add(id string, e *contract.Entry) error {
	record, err := contract.EncodeRegistered(&e.Record)
	if err != nil {
		return err
	}
	c.ids, c.copies = append(c.ids, id), append(c.copies, text(e.Copy))
	c.states = append(c.states, int16(contract.RegisterState(e.Record.State)))
	c.digests, c.records = append(c.digests, e.Digest), append(c.records, record)
	return nil
}

// Look implements [contract.Register].
func (s *Store) Look(ctx context.Context, route string, ids []string) (map[string]contract.Known, error) {
	known := map[string]contract.Known{}
	asked := make([]string, len(ids))
	for i, id := range ids {
		asked[i] = text(id)
	}
	if err := s.open("look into the register"); err != nil {
		return nil, err
	}
	err := s.pool.Read(ctx, map[string]string{"enable_seqscan": "off"}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT seq, route, id, state, record, copy, digest FROM @registered
			WHERE route = $1 AND id = ANY ($2)`), text(route), asked)
		if err != nil {
			return err
		}
		for rows.Next() {
			var k contract.Known
			if k.Record, err = scanRegistered(rows, &k.Copy, &k.Digest); err != nil {
				return err
			}
			k.State, k.Copy = k.Record.State, untext(k.Copy)
			known[k.Record.Event.ID] = k
		}
		return rows.Err()
	})
	if err != nil {
		return nil, s.failure("look into the register", err)
	}
	return known, nil
}

// scanRegistered reads seq, route, id, state, record and what else was asked for.
func scanRegistered(row pgx.CollectableRow, more ...any) (delivery.Record, error) {
	var seq int64
	var route, id string
	var state int16
	var record []byte
	if err := row.Scan(append([]any{&seq, &route, &id, &state, &record}, more...)...); err != nil {
		return delivery.Record{}, err
	}
	return contract.DecodeRegistered(seq, untext(route), untext(id), int(state), record)
}

// Accounts implements [contract.Register].
func (s *Store) Accounts(ctx context.Context) (accounts []contract.Account, err error) {
	err = s.read(ctx, "read accounts", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT route, sum(confirmed)::bigint, sum(delivered)::bigint, sum(dead)::bigint, sum(duplicates)::bigint,
			sum(redelivered)::bigint, sum(purged)::bigint FROM @accounts GROUP BY route ORDER BY route`))
		if err != nil {
			return err
		}
		accounts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a contract.Account, err error) {
			err = row.Scan(&a.Route, &a.Confirmed, &a.Delivered, &a.Dead, &a.Duplicates, &a.Redelivered, &a.Purged)
			a.Route = untext(a.Route)
			return a, err
		})
		return err
	})
	return accounts, err
}

// AuditRegister implements [contract.Register].
func (s *Store) AuditRegister(ctx context.Context) (findings []delivery.Finding, err error) {
	err = s.read(ctx, "audit register", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`
			SELECT a.route, sum(a.delivered)::bigint, sum(a.dead)::bigint,
				sum(a.purged)::bigint + (SELECT count(*) FROM @registered r WHERE r.route = a.route AND r.state = 1),
				(SELECT count(*) FROM @registered r WHERE r.route = a.route AND r.state = 2)
			FROM @accounts a GROUP BY a.route ORDER BY a.route`))
		if err != nil {
			return err
		}
		var route string
		var delivered, dead, deliveredEntries, deadEntries int64
		_, err = pgx.ForEachRow(rows, []any{&route, &delivered, &dead, &deliveredEntries, &deadEntries}, func() error {
			findings = append(findings, contract.CompareRegister(untext(route), delivered, dead, deliveredEntries, deadEntries)...)
			return nil
		})
		return err
	})
	return findings, err
}

// ListRegistered implements [contract.Register].
func (s *Store) ListRegistered(ctx context.Context, f delivery.ListFilter) ([]delivery.Record, error) {
	state, ok := contract.RegisterFilter(f.State)
	if !ok {
		return nil, nil
	}
	return s.registered(ctx, `SELECT seq, route, id, state, record FROM @registered
		WHERE ($1 = '' OR route = $1) AND ($2 < 0 OR state = $2) AND ($3::bigint = 0 OR seq < $3) ORDER BY seq DESC LIMIT $4`,
		text(f.Route), state, f.Before, f.Limit)
}

// FindRegistered implements [contract.Register].
func (s *Store) FindRegistered(ctx context.Context, id string) ([]delivery.Record, error) {
	return s.registered(ctx, "SELECT seq, route, id, state, record FROM @registered WHERE id = $1 ORDER BY route", text(id))
}

func (s *Store) registered(ctx context.Context, query string, args ...any) (records []delivery.Record, err error) {
	err = s.read(ctx, "read the register", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(query), args...)
		if err != nil {
			return err
		}
		records, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery.Record, error) { return scanRegistered(row) })
		return err
	})
	return records, err
}

// sweepRegister removes entries of events delivered before the given age.
func (s *Store) sweepRegister(ctx context.Context, age time.Duration, swept *contract.Swept) error {
	return s.steps(ctx, "remove entries", &swept.Records, nil, s.q(`
		WITH old AS MATERIALIZED (
			SELECT seq FROM @registered WHERE state = 1 AND at <= coalesce($1::timestamptz, now()) - $3 * interval '1 microsecond'
			ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM @registered r USING old WHERE r.seq = old.seq RETURNING r.route
		), counted AS (
			INSERT INTO @accounts AS a SELECT route, $4::smallint, 0, 0, 0, 0, 0, count(*) FROM gone GROUP BY route ORDER BY route
			ON CONFLICT (route, shard) DO UPDATE SET purged = a.purged + excluded.purged
		)
		SELECT count(*), 0 FROM gone`), s.now(), sweepStep, age.Microseconds(), shard())
}
