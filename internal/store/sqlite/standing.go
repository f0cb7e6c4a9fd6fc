package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Ended implements contract.Store.
func (a *archive) Ended(ctx context.Context, route string, ids []string) (ended []string, err error) {
	standings, err := a.Standings(ctx, route, ids)
	for id, s := range standings {
		if s.State != delivery.Waiting {
			ended = append(ended, id)
		}
	}
	return ended, err
}

// Standings implements contract.Store. It goes through the filters of the route's
// batches once, however many ids are asked for.
func (a *archive) Standings(ctx context.Context, route string, ids []string) (standings map[string]contract.Standing, err error) {
	sums := make(map[string]uint64, len(ids))
	for _, id := range ids {
		sums[id] = sumOf(id)
	}
	err = a.read(ctx, func(c *conn) error {
		standings = map[string]contract.Standing{}
		number, err := c.routeNumber(route)
		if err != nil || number == 0 {
			return err
		}
		batches, err := c.likely(number, sums)
		for _, first := range batches {
			if err == nil {
				err = c.stand(first, sums, standings)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find how events stand: %w", err)
	}
	return standings, nil
}

// likely finds the batches of a route that may have an event of one of the ids, in
// sequence.
func (c *conn) likely(route int64, sums map[string]uint64) (batches []int64, err error) {
	list := make([]uint64, 0, len(sums))
	for _, sum := range sums {
		list = append(list, sum)
	}
	err = c.query("SELECT first, ids FROM batches WHERE route = ? ORDER BY first", []any{route}, func(r row) {
		filter := columnBytes(r.Stmt, 1)
		if slices.ContainsFunc(list, func(sum uint64) bool { return mayHold(filter, sum) }) {
			batches = append(batches, r.ColumnInt64(0))
		}
	})
	return batches, err
}

// stand enters the events of a batch that have one of the ids, over those of batches before.
func (c *conn) stand(first int64, ids map[string]uint64, standings map[string]contract.Standing) error {
	v, err := c.volume(first)
	if err != nil {
		return err
	}
	var steps []progress
	for i := range v.traits {
		t := &v.traits[i]
		if _, asked := ids[t.id]; !asked || t.gone {
			continue
		}
		if steps == nil {
			if steps, err = c.progress(first, v.n); err != nil {
				return err
			}
		}
		state := steps[i].of(-1) // no epoch: a claim does not matter
		standings[t.id] = contract.Standing{State: state, Accepted: instant(v.accepted)}
	}
	return nil
}
