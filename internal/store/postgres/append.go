package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// appendLimit bounds the payload bytes of one transaction.
const appendLimit = 8 << 20

// appendCall is an append on its way into a group.
type appendCall struct{ subscription.Append }

// Append implements [subscription.Journal].
func (s *Store) Append(ctx context.Context, a subscription.Append) error {
	if err := s.writable("append events"); err != nil {
		return err
	}
	size := 0
	for i := range a.Events {
		size += len(a.Events[i].Data)
	}
	// The group may outlive a caller whose ctx is done.
	a.Events = copied(a.Events)
	return s.appends.do(ctx, &appendCall{a}, size+1)
}

// copied copies what the caller may reuse after a cancelled call.
func copied(events []event.Event) []event.Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].Data = append([]byte{}, events[i].Data...)
	}
	return events
}

// runAppends stores a group of appends in one transaction.
func (s *Store) runAppends(ctx context.Context, calls []*call[*appendCall]) error {
	ids, err := s.numbers(ctx, calls)
	if err != nil {
		return err
	}
	var stored *eventRows
	err = s.write(ctx, "append events", func(ctx context.Context, conn *pgx.Conn) error {
		for _, c := range calls {
			c.err = nil
		}
		if err := s.fence(ctx, conn, calls); err != nil {
			return fmt.Errorf("check leases: %w", err)
		}
		rows, books, places := s.newRows(), newBooks(), newPlaces()
		for _, c := range calls {
			if c.err != nil {
				continue
			}
			for i := range c.item.Events {
				rows.add(&c.item.Events[i], ids)
			}
			books.add(c.item, ids)
			places.add(c.item.Append)
		}
		stored = rows
		batch := &pgx.Batch{}
		if err := rows.store(ctx, s, conn, batch); err != nil {
			return err
		}
		books.queue(s, batch)
		places.queue(s, batch)
		s.queueProgress(batch, calls)
		return conn.SendBatch(ctx, batch).Close()
	})
	if err == nil {
		s.stored(stored)
	}
	return err
}

// stored takes note of what has been committed.
func (s *Store) stored(rows *eventRows) {
	s.recent.put(rows.seqs, rows.events, time.Now())
	s.wakes.everywhere(rows.routeNames()...)
}

// numberOf holds the numbers of the names in a group.
type numberOf struct {
	routes map[string]int32
	kinds  map[kind]int32
}

func newNumbers() numberOf { return numberOf{map[string]int32{}, map[kind]int32{}} }

// numbers looks up all routes and kinds of a group.
func (s *Store) numbers(ctx context.Context, calls []*call[*appendCall]) (numberOf, error) {
	ids := newNumbers()
	for _, c := range calls {
		for i := range c.item.Events {
			if err := s.numberEvent(ctx, &ids, &c.item.Events[i]); err != nil {
				return ids, err
			}
		}
		for _, counts := range []map[string]int64{c.item.Filtered, c.item.Duplicates} {
			for name := range counts {
				if err := s.numberRoute(ctx, &ids, name); err != nil {
					return ids, err
				}
			}
		}
	}
	return ids, nil
}

func (s *Store) numberRoute(ctx context.Context, ids *numberOf, name string) (err error) {
	if _, known := ids.routes[name]; !known {
		ids.routes[name], err = s.route(ctx, name)
	}
	return err
}

func (s *Store) numberEvent(ctx context.Context, ids *numberOf, e *event.Event) (err error) {
	if err := s.numberRoute(ctx, ids, e.Route); err != nil {
		return err
	}
	k := kind{e.Source, e.Type, e.OrgID}
	if _, known := ids.kinds[k]; !known {
		ids.kinds[k], err = s.kind(ctx, e)
	}
	return err
}

// fence refuses the calls whose lease has passed on. The leases stay locked
// until the commit: a successor that acquires one meanwhile waits, and then
// reads the position that this transaction stored.
func (s *Store) fence(ctx context.Context, conn *pgx.Conn, calls []*call[*appendCall]) error {
	leased := map[string]int64{}
	for _, c := range calls {
		if c.item.Subscription != "" {
			leased[c.item.Subscription] = 0
		}
	}
	if len(leased) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(leased))
	for i := range names {
		names[i] = text(names[i])
	}
	rows, err := conn.Query(ctx, s.q("SELECT name, fence FROM @leases WHERE name = ANY ($1) ORDER BY name FOR SHARE"), names)
	if err != nil {
		return err
	}
	var name string
	var fence int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &fence}, func() error { leased[untext(name)] = fence; return nil }); err != nil {
		return err
	}
	for _, c := range calls {
		if name := c.item.Subscription; name != "" && leased[name] != c.item.Fence {
			c.err = fmt.Errorf("subscription %s: %w", name, subscription.ErrFenced)
		}
	}
	return nil
}

// eventRows are events as columns.
type eventRows struct {
	names                     map[string]bool
	routes, kinds             []int32
	lanes                     []int16
	times                     []*time.Time
	refilled                  []bool
	id, subject, okey, traces []string
	data                      [][]byte
	events                    []*event.Event
	seqs                      []int64 // once they are stored

	trail   *trailRows // nil where no route has an audit trail
	trailed contract.TrailScope
}

func newEventRows() *eventRows { return &eventRows{names: map[string]bool{}} }

func (r *eventRows) add(e *event.Event, ids numberOf) {
	r.names[e.Route] = true
	r.routes = append(r.routes, ids.routes[e.Route])
	r.kinds = append(r.kinds, ids.kinds[kind{e.Source, e.Type, e.OrgID}])
	r.lanes = append(r.lanes, int16(delivery.LaneOf(*e)))
	r.times = append(r.times, nullable(e.Time))
	r.refilled = append(r.refilled, e.Refilled)
	r.id = append(r.id, text(e.ID))
	r.subject = append(r.subject, text(e.Subject))
	r.okey = append(r.okey, text(e.Key))
	r.traces = append(r.traces, text(e.TraceParent))
	r.data = append(r.data, e.Data)
	r.events = append(r.events, e)
	r.enter(e)
}

func (r *eventRows) routeNames() []string { return slices.Collect(maps.Keys(r.names)) }

// store writes the events, or leaves that to the batch that comes next.
func (r *eventRows) store(ctx context.Context, s *Store, conn *pgx.Conn, batch *pgx.Batch) error {
	if r.trail != nil {
		if err := r.trail.queue(s, batch); err != nil {
			return err
		}
	}
	switch {
	case len(r.routes) >= copyFrom:
		return r.copyIn(ctx, s, conn)
	case len(r.routes) > 0:
		r.queue(s, batch)
	}
	return nil
}

func (r *eventRows) queue(s *Store, batch *pgx.Batch) {
	batch.Queue(s.q(`
		WITH input AS MATERIALIZED (
			SELECT nextval($12::text::regclass) AS seq, i.*
			FROM unnest($1::integer[], $2::smallint[], $3::integer[], $4::timestamptz[], $5::boolean[],
				$6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[])
				WITH ORDINALITY AS i (route, lane, kind, time, refilled, id, subject, okey, trace, data, place)
		), payloads AS (
			INSERT INTO @payloads (seq, data) SELECT seq, data FROM input
		), events AS (
			INSERT INTO @events (seq, route, lane, kind, accepted, time, refilled, id, subject, okey, trace)
			SELECT seq, route, lane, kind, coalesce($11::timestamptz, now()), time, refilled, id, subject, okey, trace FROM input
		), queue AS (
			INSERT INTO @queue (route, lane, seq, due, claim, owner, attempts, redelivered, unanswered, accepted)
			SELECT route, lane, seq, '-infinity', 0, '', 0, 0, false, coalesce($11::timestamptz, now()) FROM input
		)
		SELECT seq FROM input ORDER BY place`),
		r.routes, r.lanes, r.kinds, r.times, r.refilled, r.id, r.subject, r.okey, r.traces, r.data, s.now(), s.prefix+"event_seq",
	).Query(func(rows pgx.Rows) (err error) {
		r.seqs, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
}

// places are the new positions of a group.
type places struct {
	names []string
	last  map[string]subscription.Append
}

func newPlaces() *places { return &places{last: map[string]subscription.Append{}} }

func (p *places) add(a subscription.Append) {
	if a.Subscription == "" || a.Position == nil && a.EventTime.IsZero() {
		return
	}
	last, known := p.last[a.Subscription]
	if !known {
		p.names = append(p.names, a.Subscription)
	}
	if a.Position != nil {
		last.Position = a.Position
	}
	if !a.EventTime.IsZero() {
		last.EventTime = a.EventTime
	}
	p.last[a.Subscription] = last
}

func (p *places) queue(s *Store, batch *pgx.Batch) {
	slices.Sort(p.names) // concurrent transactions lock rows in one order
	for _, name := range p.names {
		a := p.last[name]
		var position []byte = a.Position
		batch.Queue(s.q(`
			INSERT INTO @positions AS p (subscription, position, event_time, moved)
			VALUES ($1, $2::bytea, $3, CASE WHEN $2::bytea IS NOT NULL THEN coalesce($4::timestamptz, now()) END)
			ON CONFLICT (subscription) DO UPDATE SET position = coalesce(excluded.position, p.position),
				event_time = coalesce(excluded.event_time, p.event_time), moved = coalesce(excluded.moved, p.moved)`),
			text(name), position, nullable(a.EventTime), s.now())
	}
}
