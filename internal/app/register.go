package app

import (
	"context"
	"time"

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
	for _, id := range ids {
		if _, ok := known[id]; ok {
			continue
		}
		records, err := r.store.Find(ctx, id)
		if err != nil {
			return nil, err
		}
		for i := range records {
			if records[i].Event.Route == route {
				known[id] = contract.Known{State: records[i].State, Elsewhere: true, Record: records[i]}
			}
		}
	}
	return known, nil
}
