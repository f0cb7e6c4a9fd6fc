package postgres

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// entry is what a transaction changes in one route's ledger.
type entry struct{ accepted, delivered, dead, redelivered, filtered, duplicates int64 }

// books are the changes of a transaction to the ledgers.
type books struct{ routes map[int32]*entry }

func newBooks() *books { return &books{routes: map[int32]*entry{}} }

func (b *books) of(route int32) *entry {
	e := b.routes[route]
	if e == nil {
		e = &entry{}
		b.routes[route] = e
	}
	return e
}

func (b *books) add(a *appendCall, ids numberOf) {
	for i := range a.Events {
		b.of(ids.routes[a.Events[i].Route]).accepted++
	}
	for name, n := range a.Filtered {
		b.of(ids.routes[name]).filtered += n
	}
	for name, n := range a.Duplicates {
		b.of(ids.routes[name]).duplicates += n
	}
}

// queue books the changes. It comes last in a transaction, and in the order of
// routes, so that transactions cannot wait for each other in a circle.
func (b *books) queue(s *Store, batch *pgx.Batch) {
	place := shard()
	for _, route := range slices.Sorted(maps.Keys(b.routes)) {
		e := *b.routes[route]
		if e == (entry{}) {
			continue
		}
		batch.Queue(s.q(`
			INSERT INTO @ledger AS l (route, shard, accepted, delivered, dead, redelivered, filtered, duplicates)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (route, shard) DO UPDATE SET accepted = l.accepted + excluded.accepted, delivered = l.delivered + excluded.delivered,
				dead = l.dead + excluded.dead, redelivered = l.redelivered + excluded.redelivered,
				filtered = l.filtered + excluded.filtered, duplicates = l.duplicates + excluded.duplicates`),
			route, place, e.accepted, e.delivered, e.dead, e.redelivered, e.filtered, e.duplicates)
	}
}
