package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// trailNow is a time as the trail has it: microseconds since 1970, by the given
// clock ($1) or the server's.
const trailNow = "(extract(epoch FROM coalesce($1::timestamptz, now())) * 1000000)::bigint"

// noteTrail remembers which routes have a trail.
func (s *Store) noteTrail(ctx context.Context) error {
	names := s.cfg.Trail.Names()
	if len(names) == 0 || s.cfg.Inspect {
		return nil
	}
	stored := make([]string, len(names))
	for i := range names {
		stored[i] = text(names[i])
	}
	return s.write(ctx, "note routes with an audit trail", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.q("INSERT INTO @trail_routes SELECT n FROM unnest($1::text[]) n ORDER BY n ON CONFLICT DO NOTHING"), stored)
		return err
	})
}

// trailRows are entries of a transaction in the making.
type trailRows struct {
	process string
	routes  []string
	bodies  [][]byte
	err     error
}

func (s *Store) newTrail() *trailRows { return &trailRows{process: s.cfg.Owner} }

func (t *trailRows) add(route string, b trail.Body) {
	body, err := b.Encode()
	if err != nil {
		t.err = err
		return
	}
	t.routes, t.bodies = append(t.routes, text(route)), append(t.bodies, body)
}

func (t *trailRows) queue(s *Store, batch *pgx.Batch) error {
	if len(t.routes) > 0 {
		batch.Queue(s.q(`INSERT INTO @trail (at, route, body)
			SELECT `+trailNow+`, route, body FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS i (route, body, n) ORDER BY n`), s.now(), t.routes, t.bodies)
	}
	return t.err
}

func (t *trailRows) store(ctx context.Context, s *Store, conn *pgx.Conn) error {
	batch := &pgx.Batch{}
	if err := t.queue(s, batch); err != nil || batch.Len() == 0 {
		return err
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write audit trail: %w", err)
	}
	return nil
}

// newRows are rows whose acceptance is entered where their route has a trail.
func (s *Store) newRows() *eventRows {
	r := newEventRows()
	if s.cfg.Trail.Any() {
		r.trail, r.trailed = s.newTrail(), s.cfg.Trail
	}
	return r
}

func (r *eventRows) enter(e *event.Event) {
	if r.trail != nil && r.trailed.Has(e.Route) {
		r.trail.add(e.Route, contract.TrailAccepted(contract.AcceptanceOf(e, time.Time{}), r.trail.process))
	}
}

// told is what a transaction knows of an event that it changed.
type told struct {
	route, id string
	attempts  int
}

// told looks up events that this transaction has changed, of routes with a trail.
func (s *Store) told(ctx context.Context, conn *pgx.Conn, seqs []int64) (map[int64]told, error) {
	rows, err := conn.Query(ctx, s.q(`
		SELECT e.seq, r.name, e.id, coalesce(q.attempts, d.attempts, 0)
		FROM unnest($1::bigint[]) AS i (seq) JOIN @events e ON e.seq = i.seq JOIN @routes r ON r.id = e.route
		LEFT JOIN @queue q ON q.seq = e.seq AND q.route = e.route AND q.lane = e.lane LEFT JOIN @ended d ON d.seq = e.seq`), seqs)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]told, len(seqs))
	var seq int64
	var t told
	_, err = pgx.ForEachRow(rows, []any{&seq, &t.route, &t.id, &t.attempts}, func() error {
		t.route, t.id = untext(t.route), untext(t.id)
		out[seq] = t
		return nil
	})
	return out, err
}

// trailSettled enters the ends of claims.
func (s *Store) trailSettled(ctx context.Context, conn *pgx.Conn, settled []*delivery.Settlement) error {
	if len(settled) == 0 {
		return nil
	}
	seqs := make([]int64, len(settled))
	for i := range settled {
		seqs[i] = settled[i].Seq
	}
	of, err := s.told(ctx, conn, seqs)
	if err != nil {
		return fmt.Errorf("look up events for the audit trail: %w", err)
	}
	entries := s.newTrail()
	for _, st := range settled {
		t, number := of[st.Seq], 0
		if !s.cfg.Trail.Has(t.route) {
			continue
		}
		if st.Do != delivery.Release {
			number = t.attempts
		}
		if b, ok := contract.TrailSettled(t.id, number, st, entries.process); ok {
			entries.add(t.route, b)
		}
	}
	return entries.store(ctx, s, conn)
}

// trailedRoutes returns those of routes that ever had a trail.
func (s *Store) trailedRoutes(ctx context.Context, conn *pgx.Conn) (contract.TrailScope, error) {
	rows, err := conn.Query(ctx, s.q("SELECT route FROM @trail_routes"))
	if err != nil {
		return contract.TrailScope{}, err
	}
	var scope contract.TrailScope
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		if name = untext(name); name == "" {
			scope.All = true
		}
		scope.Routes = append(scope.Routes, name)
		return nil
	})
	return scope, err
}

// trailRedriven enters that dead letters are to wait again, before they do. They
// stay locked, so that what is entered happens.
func (s *Store) trailRedriven(ctx context.Context, conn *pgx.Conn, seqs []int64, by string) error {
	scope, err := s.trailedRoutes(ctx, conn)
	if err != nil || !scope.Any() {
		return err
	}
	rows, err := conn.Query(ctx, s.q("SELECT seq FROM @ended WHERE seq = ANY ($1::bigint[]) AND state = 2 ORDER BY seq FOR UPDATE"), seqs)
	if err != nil {
		return err
	}
	dead, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	of, err := s.told(ctx, conn, dead)
	if err != nil {
		return err
	}
	entries := s.newTrail()
	for _, seq := range dead {
		if t := of[seq]; scope.Has(t.route) {
			entries.add(t.route, contract.TrailRedriven(t.id, by, entries.process))
		}
	}
	return entries.store(ctx, s, conn)
}

// trailPosted enters what was posted to the register.
func (s *Store) trailPosted(ctx context.Context, conn *pgx.Conn, p *contract.Posting, entered []bool) error {
	entries := s.newTrail()
	for _, a := range p.Accepted {
		entries.add(p.Route, contract.TrailAccepted(a, entries.process))
	}
	has, looked := s.cfg.Trail.Has(p.Route), false
	for i := range p.Entries {
		e := &p.Entries[i]
		if !entered[i] {
			continue
		}
		if !has && e.Redrive && !looked {
			scope, err := s.trailedRoutes(ctx, conn)
			if err != nil {
				return err
			}
			looked, has = true, scope.Has(p.Route)
		}
		if has {
			entries.add(p.Route, contract.TrailEntered(e, entries.process))
		}
	}
	return entries.store(ctx, s, conn)
}
