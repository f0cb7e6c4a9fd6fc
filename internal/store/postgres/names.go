package postgres

import (
	"context"
	"fmt"
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
