package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// List implements [delivery.Archive].
func (a *archive) List(ctx context.Context, f delivery.ListFilter) (records []delivery.Record, err error) {
	f.Limit = max(f.Limit, 1)
	if f.Before <= 0 {
		f.Before = forever
	}
	err = a.read(ctx, func(c *conn) error {
		if records, err = c.list(f); err != nil {
			return err
		}
		for i := range records {
			history, err := c.history(records[i].Seq, "DESC LIMIT 1")
			if err != nil {
				return err
			}
			if len(history) > 0 {
				records[i].LastOutcome = history[0].Outcome
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return records, nil
}

func (c *conn) list(f delivery.ListFilter) (records []delivery.Record, err error) {
	route := int64(0)
	if f.Route != "" {
		if route, err = c.routeNumber(f.Route); err != nil || route == 0 {
			return nil, err
		}
	}
	epoch, err := c.epoch()
	if err != nil {
		return nil, err
	}
	query, args := batchesOf(f, route)
	err = c.walk(query, args, func(v *volume, steps []progress) (bool, error) {
		for i := v.n - 1; i >= 0; i-- {
			if v.first+int64(i) >= f.Before || steps[i].state == rowGone || f.State != "" && steps[i].of(epoch) != f.State &&
				(f.State != delivery.Waiting || steps[i].state != rowWaiting) {
				continue
			}
			rec, err := c.record(v, i, &steps[i], epoch)
			if err != nil {
				return false, err
			}
			if records = append(records, rec); len(records) == f.Limit {
				return false, nil
			}
		}
		return true, nil
	})
	return records, err
}

// batchesOf finds the batches that may hold what a filter selects, the newest first.
func batchesOf(f delivery.ListFilter, route int64) (query string, args []any) {
	where := []string{"first < ?"}
	args = []any{f.Before}
	if route != 0 {
		where, args = append(where, "route = ?"), append(args, route)
	}
	switch f.State {
	case delivery.Waiting, delivery.InFlight:
		where = append(where, "open > 0")
	case delivery.Delivered:
		where = append(where, "open < n")
	case delivery.DeadState:
		where = append(where, `first IN (SELECT (SELECT first FROM batches WHERE first <= p.seq ORDER BY first DESC LIMIT 1)
			FROM progress p INDEXED BY progress_dead WHERE p.state = 2)`)
	}
	return "SELECT first FROM batches WHERE " + strings.Join(where, " AND ") + " ORDER BY first DESC", args
}

// Find implements [delivery.Archive].
func (a *archive) Find(ctx context.Context, id string) (records []delivery.Record, err error) {
	err = a.read(ctx, func(c *conn) error {
		if records, err = c.find(id); err != nil {
			return err
		}
		for i := range records {
			if records[i].History, err = c.history(records[i].Seq, ""); err != nil {
				return err
			}
			if n := len(records[i].History); n > 0 {
				records[i].LastOutcome = records[i].History[n-1].Outcome
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find event: %w", err)
	}
	return records, nil
}

func (c *conn) find(id string) (records []delivery.Record, err error) {
	epoch, err := c.epoch()
	if err != nil {
		return nil, err
	}
	batches, err := c.mentions(id)
	if err != nil {
		return nil, err
	}
	for _, first := range batches {
		v, err := c.volume(first)
		if err != nil {
			return nil, err
		}
		steps, err := c.progress(first, v.n)
		if err != nil {
			return nil, err
		}
		for i := range v.traits {
			if v.traits[i].id != id || v.traits[i].gone {
				continue
			}
			rec, err := c.record(v, i, &steps[i], epoch)
			if err != nil {
				return nil, err
			}
			if rec.Event.Data, err = c.payload(v, i); err != nil {
				return nil, err
			}
			records = append(records, rec)
		}
	}
	return records, nil
}

// mentions finds the batches that may have an event of an id, in sequence: those
// whose filter does not rule it out and in whose traits its bytes occur.
func (c *conn) mentions(id string) (batches []int64, err error) {
	var likely []int64
	sum := sumOf(id)
	err = c.query("SELECT first, ids FROM batches ORDER BY first", nil, func(r row) {
		if mayHold(columnBytes(r.Stmt, 1), sum) {
			likely = append(likely, r.ColumnInt64(0))
		}
	})
	for _, first := range likely {
		if err == nil {
			err = c.query("SELECT 1 FROM traits WHERE first = ? AND instr(data, ?)", []any{first, []byte(id)}, func(row) { batches = append(batches, first) })
		}
	}
	return batches, err
}
