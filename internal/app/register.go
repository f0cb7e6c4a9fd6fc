package app

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// storeRegister is the register, to which also what the store has of a route
// that waited there is known: its copy counts, and one in the broker is a duplicate.
type storeRegister struct {
	contract.Register
	store store.Store
	moved map[string]bool // routes whose events may be in the store
	until time.Time
}

// Look implements [contract.Register].
func (r *storeRegister) Look(ctx context.Context, route string, ids []string) (map[string]contract.Known, error) {
	known, err := r.Register.Look(ctx, route, ids)
	if err != nil || !r.moved[route] || time.Now().After(r.until) {
		return known, err
	}
	if known == nil {
		known = map[string]contract.Known{}
	}
	unknown := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := known[id]; return ok })
	if len(unknown) == 0 {
		return known, nil
	}
	standings, err := r.store.Standings(ctx, route, unknown)
	if err != nil {
		return nil, err
	}
	for id, s := range standings {
		known[id] = contract.Known{State: s.State, Elsewhere: true, Record: delivery.Record{State: s.State, Accepted: s.Accepted}}
	}
	return known, nil
}
