package writeback

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// collect writes up to 200 records in one call. When the call as a whole is refused
// for what is in it, or rows fail because they are too many for the org's own code, the
// rows in question are tried in halves, so that only the guilty ones are refused.
func (b *delivery) collect(ctx context.Context, r *request, at []int) {
	rows, err := b.call(ctx, r, at)
	if err != nil {
		if len(at) > 1 && b.d.isolates(err) {
			b.halves(ctx, r, at)
			return
		}
		b.all(at, b.d.whole(r, err, b.harmless(at)))
		return
	}
	var again []int
	for n, i := range at {
		if len(at) > 1 && overLimit(rows[n].Err) {
			again = append(again, i)
		}
		b.outcomes[i] = b.d.row(b.writes[i], rows[n].Err)
	}
	if len(again) > 0 {
		b.halves(ctx, r, again)
	}
}

// halves tries rows again in two calls. Nothing has happened to them so far.
func (b *delivery) halves(ctx context.Context, r *request, at []int) {
	half := (len(at) + 1) / 2
	b.collect(ctx, r, at[:half])
	if half < len(at) {
		b.collect(ctx, r, at[half:])
	}
}

// call makes the one request.
func (b *delivery) call(ctx context.Context, r *request, at []int) ([]rest.SavedRow, error) {
	if err := b.d.reserve(ctx, 1); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.d.cfg.CallTimeout)
	defer cancel()
	fields := make([]rest.Fields, len(at))
	ids := make([]string, len(at))
	for n, i := range at {
		fields[n], ids[n] = b.writes[i].fields, b.writes[i].id
	}
	client := b.d.wires.REST
	switch {
	case r.op == Update && r.singly():
		return client.UpdateByField(ctx, r.object, r.external, ids, fields)
	case r.op == Delete && r.singly():
		return client.DeleteByField(ctx, r.object, r.external, ids)
	}
	switch r.op {
	case Update:
		return client.UpdateRows(ctx, r.object, fields)
	case Upsert:
		return client.UpsertRows(ctx, r.object, r.external, fields)
	case Delete:
		return client.DeleteRows(ctx, r.object, ids)
	default:
		return client.CreateRows(ctx, r.object, fields)
	}
}

func (d *Destination) reserve(ctx context.Context, n int) error {
	if d.cfg.Budget == nil {
		return nil
	}
	return d.cfg.Budget.Reserve(ctx, n)
}

// harmless says whether doing all of these again does nothing more.
func (b *delivery) harmless(at []int) bool {
	for _, i := range at {
		if !b.writes[i].harmless {
			return false
		}
	}
	return true
}

// isolates says whether a refusal of a whole call may be the doing of one of its
// rows: a value that the parser cannot take, for example.
func (d *Destination) isolates(err error) bool {
	refusal, ok := salesforce.AsAPIError(err)
	return ok && event.HealingOf(err) == event.Permanent && !d.orgWide(err, refusal)
}
