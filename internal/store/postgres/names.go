package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// kind is what the events of one source and type have in common; it is stored once.
type kind struct{ source, typ, org string }

// namesKept bounds the names remembered; more can only come of a source that
// makes up types.
const namesKept = 10_000

// names remembers the numbers of routes and kinds. They are given out in
// transactions of their own, so that what is remembered is committed.
type names struct {
	mu     sync.Mutex
	routes map[string]int32
	kinds  map[kind]int32
	words  map[int32]kind // by number
}

// route returns the number of a route, giving it one at first sight.
func (s *Store) route(ctx context.Context, name string) (int32, error) {
	s.names.mu.Lock()
	id, ok := s.names.routes[name]
	s.names.mu.Unlock()
	if ok {
		return id, nil
	}
	// The update that changes nothing makes RETURNING answer for an old row too.
	id, err := s.number(ctx, `INSERT INTO @routes (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id`, text(name))
	if err != nil {
		return 0, fmt.Errorf("number route: %w", err)
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	if s.names.routes == nil || len(s.names.routes) >= namesKept {
		s.names.routes = make(map[string]int32)
	}
	s.names.routes[name] = id
	return id, nil
}

// kind returns the number of an event's kind, giving it one at first sight.
func (s *Store) kind(ctx context.Context, e *event.Event) (int32, error) {
	k := kind{e.Source, e.Type, e.OrgID}
	s.names.mu.Lock()
	id, ok := s.names.kinds[k]
	s.names.mu.Unlock()
	if ok {
		return id, nil
	}
	id, err := s.number(ctx, `INSERT INTO @kinds (source, type, org) VALUES ($1, $2, $3)
		ON CONFLICT (source, type, org) DO UPDATE SET org = excluded.org RETURNING id`, text(k.source), text(k.typ), text(k.org))
	if err != nil {
		return 0, fmt.Errorf("number kind: %w", err)
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	if s.names.kinds == nil || len(s.names.kinds) >= namesKept {
		s.names.kinds = make(map[kind]int32)
	}
	s.names.kinds[k] = id
	return id, nil
}

func (s *Store) number(ctx context.Context, statement string, args ...any) (id int32, err error) {
	err = s.pool.Write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.q(statement), args...).Scan(&id)
	})
	return id, err
}

// find returns the number of a route that may not exist; 0 then.
func (s *Store) find(ctx context.Context, name string) (id int32, err error) {
	s.names.mu.Lock()
	id, ok := s.names.routes[name]
	s.names.mu.Unlock()
	if ok {
		return id, nil
	}
	err = s.pool.Query(ctx, func(rows pgx.Rows) error { return rows.Scan(&id) }, s.q("SELECT id FROM @routes WHERE name = $1"), text(name))
	return id, err
}

// describe gives events the words of their kinds. Kinds are never removed, so it
// fails only with the connection.
func (s *Store) describe(ctx context.Context, events []*event.Event, kinds []int32) error {
	unknown := map[int32]bool{}
	s.names.mu.Lock()
	for i, id := range kinds {
		k, ok := s.names.words[id]
		if !ok {
			unknown[id] = true
			continue
		}
		k.give(events[i])
	}
	s.names.mu.Unlock()
	if len(unknown) == 0 {
		return nil
	}
	found, err := s.readKinds(ctx, slices.Collect(maps.Keys(unknown)))
	if err != nil {
		return fmt.Errorf("read kinds: %w", err)
	}
	for i, id := range kinds {
		if k, ok := found[id]; ok {
			k.give(events[i])
		}
	}
	return nil
}

// readKinds reads kinds and remembers them.
func (s *Store) readKinds(ctx context.Context, ids []int32) (map[int32]kind, error) {
	found := map[int32]kind{}
	err := s.pool.Query(ctx, func(rows pgx.Rows) error {
		var id int32
		var k kind
		err := rows.Scan(&id, &k.source, &k.typ, &k.org)
		found[id] = kind{untext(k.source), untext(k.typ), untext(k.org)}
		return err
	}, s.q("SELECT id, source, type, org FROM @kinds WHERE id = ANY ($1::integer[])"), ids)
	if err != nil {
		return nil, err
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	if s.names.words == nil || len(s.names.words) >= namesKept {
		s.names.words = make(map[int32]kind)
	}
	maps.Copy(s.names.words, found)
	return found, nil
}

func (k kind) give(e *event.Event) { e.Source, e.Type, e.OrgID = k.source, k.typ, k.org }
