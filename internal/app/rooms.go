package app

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// rooms are the places where events wait, as one: the store, and the broker for
// the routes that wait there. A route may have events in both, after it has moved.
type rooms struct {
	store store.Store
	// shelter is the store's door for what others hand over.
	shelter route.Intake
	queues  *rabbitqueue.Queue // nil where no route waits in a broker, or has
	keys    *sealed.Keyring    // the store has them, too
	// left are routes that have moved from the broker to the store, and moved
	// those that went the other way: both are emptied where they waited before.
	left, moved map[string]bool
	// stranded are routes whose events wait in a broker that is not named any more.
	stranded []delivery.Finding
	began    time.Time
	log      *slog.Logger
}

var (
	_ route.Intake     = (*rooms)(nil)
	_ delivery.Archive = (*rooms)(nil)
)

// placesOf returns where a route's events are claimed from: where it waits, and
// where it has waited before.
func (r *rooms) placesOf(name string, ordered bool) []place {
	switch {
	case r.inBroker(name) && r.moved[name]:
		return []place{{queue: r.movingBroker(name, ordered, true)}, {queue: r.movingStore(name, ordered, false), left: "store"}}
	case r.inBroker(name):
		return []place{{queue: r.queues}}
	case r.left[name]:
		return []place{{queue: r.movingStore(name, ordered, true)}, {queue: r.movingBroker(name, ordered, false), left: "RabbitMQ"}}
	}
	return []place{{queue: r.store}}
}

// movingBroker is the broker as one of two places; last says that it is where the route waits now.
func (r *rooms) movingBroker(name string, ordered, last bool) *moving {
	m := &moving{Queue: r.queues, route: name, other: "the store", log: r.log, last: last}
	if ordered {
		m.look = func(ctx context.Context) (view, error) { return r.viewStore(ctx, name) }
	}
	return m
}

// movingStore is the store as one of two places.
func (r *rooms) movingStore(name string, ordered, last bool) *moving {
	m := &moving{Queue: r.store, route: name, other: "RabbitMQ", log: r.log, last: last, until: r.began.Add(repeatSpan)}
	if ordered {
		m.look = func(ctx context.Context) (view, error) {
			empty, oldest, err := r.queues.Oldest(ctx, name)
			return view{empty, oldest}, err
		}
	}
	m.ended = func(ctx context.Context, ids []string) (map[string]bool, error) {
		return r.endedInBroker(ctx, name, ids)
	}
	m.removed = func(ctx context.Context, n int) error {
		_, err := r.store.Post(ctx, []contract.Posting{{Route: name, Confirmed: int64(n), Duplicates: int64(n)}})
		return err
	}
	return m
}

func (r *rooms) inBroker(name string) bool {
	return r.queues != nil && r.queues.Has(name) && !r.left[name]
}

// viewStore looks at what of a route waits in the store.
func (r *rooms) viewStore(ctx context.Context, name string) (view, error) {
	all, err := r.store.Ledgers(ctx)
	if err != nil {
		return view{}, err
	}
	at := slices.IndexFunc(all, func(l delivery.Ledger) bool { return l.Route == name })
	if at < 0 || all[at].Waiting == 0 {
		return view{empty: true}, nil
	}
	return view{oldest: all[at].OldestWaiting}, nil
}

// endedInBroker returns those of ids that ended while the route waited in the broker.
func (r *rooms) endedInBroker(ctx context.Context, name string, ids []string) (map[string]bool, error) {
	known, err := r.store.Look(ctx, name, ids)
	ended := map[string]bool{}
	for id, k := range known {
		if k.State != delivery.Waiting {
			ended[id] = true
		}
	}
	return ended, err
}

// Accept implements [route.Intake]. Arrivals of one call that wait in different
// places are accepted one place after the other.
func (r *rooms) Accept(ctx context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	inBroker := func(a route.Arrival) bool { return r.inBroker(a.Event.Route) }
	switch {
	case !slices.ContainsFunc(arrivals, inBroker):
		return r.shelter.Accept(ctx, arrivals)
	case !slices.ContainsFunc(arrivals, func(a route.Arrival) bool { return !inBroker(a) }):
		return r.broker().Accept(ctx, arrivals)
	}
	receipts := make([]route.Receipt, len(arrivals))
	for _, place := range []struct {
		intake route.Intake
		takes  func(route.Arrival) bool
	}{{r.shelter, func(a route.Arrival) bool { return !inBroker(a) }}, {r.broker(), inBroker}} {
		var some []route.Arrival
		var where []int
		for i, a := range arrivals {
			if place.takes(a) {
				some, where = append(some, a), append(where, i)
			}
		}
		got, err := place.intake.Accept(ctx, some)
		if err != nil {
			return nil, err
		}
		for k, i := range where {
			receipts[i] = got[k]
		}
	}
	return receipts, nil
}

// queueSeq is added to the numbers of events that wait in the broker, so that
// one number leads through both places in a listing. It leaves them exact in JSON.
const queueSeq = 1 << 52

// List implements [delivery.Archive]: first the broker's, then the store's, each
// newest first.
func (r *rooms) List(ctx context.Context, f delivery.ListFilter) ([]delivery.Record, error) {
	var out []delivery.Record
	if r.queues != nil && (f.Before == 0 || f.Before > queueSeq) {
		of := f
		of.Before = max(f.Before-queueSeq, 0)
		listed, err := r.queues.List(ctx, of)
		if err != nil {
			return nil, err
		}
		for i := range listed {
			listed[i].Seq += queueSeq
		}
		out = listed
		f.Before = 0
	}
	if f.Limit -= len(out); f.Limit <= 0 {
		return out, nil
	}
	more, err := r.store.List(ctx, f)
	return append(out, more...), err
}

// ended returns those of a route's events that have come to their end, wherever they wait.
func (r *rooms) ended(ctx context.Context, name string, ids []string) ([]string, error) {
	if !r.inBroker(name) {
		return r.store.Ended(ctx, name, ids)
	}
	ended, err := r.endedInBroker(ctx, name, ids)
	return slices.Collect(maps.Keys(ended)), err
}

// Find implements [delivery.Archive].
func (r *rooms) Find(ctx context.Context, id string) ([]delivery.Record, error) {
	found, err := r.store.Find(ctx, id)
	if err != nil || r.queues == nil {
		return found, err
	}
	more, err := r.queues.Find(ctx, id)
	for i := range more {
		more[i].Seq += queueSeq
	}
	return append(found, more...), err
}

// Ledgers implements [delivery.Archive]. What a route has in both places is added up.
func (r *rooms) Ledgers(ctx context.Context) ([]delivery.Ledger, error) {
	all, err := r.store.Ledgers(ctx)
	if err != nil || r.queues == nil {
		return all, err
	}
	more, err := r.queues.Ledgers(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range more {
		at := slices.IndexFunc(all, func(o delivery.Ledger) bool { return o.Route == l.Route })
		if at < 0 {
			all = append(all, l)
			continue
		}
		all[at] = sumOf(all[at], l)
	}
	slices.SortFunc(all, func(a, b delivery.Ledger) int { return cmp.Compare(a.Route, b.Route) })
	return all, nil
}

func sumOf(a, b delivery.Ledger) delivery.Ledger {
	a.Accepted += b.Accepted
	a.Delivered += b.Delivered
	a.Dead += b.Dead
	a.Waiting += b.Waiting
	a.Redelivered += b.Redelivered
	a.Filtered += b.Filtered
	a.Duplicates += b.Duplicates
	if a.OldestWaiting.IsZero() || !b.OldestWaiting.IsZero() && b.OldestWaiting.Before(a.OldestWaiting) {
		a.OldestWaiting = b.OldestWaiting
	}
	return a
}

// Audit implements [delivery.Archive].
func (r *rooms) Audit(ctx context.Context) ([]delivery.Finding, error) {
	findings, err := r.store.Audit(ctx)
	if err != nil {
		return nil, err
	}
	findings = append(findings, r.stranded...)
	if r.queues == nil {
		return findings, nil
	}
	more, err := r.queues.Audit(ctx)
	return append(findings, more...), err
}

// Redrive implements control.Redriver.
func (r *rooms) Redrive(ctx context.Context, f delivery.DeadFilter) (int, error) {
	n, err := r.store.Redrive(ctx, f)
	if err != nil || r.queues == nil {
		return n, err
	}
	more, err := r.queues.Redrive(ctx, f)
	return n + more, err
}

// leftovers is the dispatcher that empties where a route waited before.
type leftovers struct {
	*delivery.Dispatcher
	place string
}

// Name implements run.Worker.
func (l leftovers) Name() string { return l.Dispatcher.Name() + " (" + l.place + ")" }
