package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// arrivals gathers the events of a transaction whose ids their routes remember.
// They are added, then held against what is known, and then stored or not.
type arrivals struct {
	ids    numberOf
	all    []arriving
	known  map[arrivalKey]*memory
	listed []*memory // those of known, in the order of their first appearance
}

type arrivalKey struct {
	route int32
	id    string
}

// arriving is one event on its way in.
type arriving struct {
	event  *event.Event
	digest []byte
	memory *memory // nil if the event is not to be remembered
	first  bool    // of its id in this transaction
}

// memory is what a route knows of an id.
type memory struct {
	arrivalKey
	keep     int64 // microseconds
	fresh    bool  // since this transaction
	digest   []byte
	accepted time.Time
}

func newArrivals(ids numberOf) *arrivals {
	return &arrivals{ids: ids, known: map[arrivalKey]*memory{}}
}

// add takes an event whose id is to be remembered for a while, or not at all.
func (a *arrivals) add(e *event.Event, digest []byte, remember time.Duration) {
	in := arriving{event: e, digest: digest}
	if remember > 0 {
		key := arrivalKey{a.ids.routes[e.Route], text(e.ID)}
		in.memory = a.known[key]
		if in.memory == nil {
			in.memory, in.first = &memory{arrivalKey: key, keep: remember.Microseconds(), digest: digest}, true
			a.known[key] = in.memory
			a.listed = append(a.listed, in.memory)
		}
	}
	a.all = append(a.all, in)
}

// remember claims the ids. An id that another transaction is just claiming is
// waited for: it is fresh to one of the two. Ids are claimed in one order, so
// that transactions do not wait for each other in a circle.
func (a *arrivals) remember(ctx context.Context, s *Store, conn *pgx.Conn) error {
	if len(a.listed) == 0 {
		return nil
	}
	routes, ids := make([]int32, len(a.listed)), make([]string, len(a.listed))
	digests, keeps := make([][]byte, len(a.listed)), make([]int64, len(a.listed))
	for i, m := range a.listed {
		routes[i], ids[i], digests[i], keeps[i] = m.route, m.id, m.digest, m.keep
	}
	rows, err := conn.Query(ctx, s.q(`
		INSERT INTO @arrivals AS a (route, id, digest, accepted, expires)
		SELECT route, id, digest, coalesce($5::timestamptz, now()), coalesce($5::timestamptz, now()) + keep * interval '1 microsecond'
		FROM unnest($1::integer[], $2::text[], $3::bytea[], $4::bigint[]) AS i (route, id, digest, keep) ORDER BY route, id
		ON CONFLICT (route, id) DO UPDATE SET digest = excluded.digest, accepted = excluded.accepted, expires = excluded.expires
		WHERE a.expires <= coalesce($5::timestamptz, now())
		RETURNING a.route, a.id, a.digest, a.accepted`), routes, ids, digests, keeps, s.now())
	if err != nil {
		return err
	}
	n, err := a.read(rows, true)
	if err != nil || n == len(a.listed) {
		return err
	}
	// The statement above has locked the rows that it left alone, so they are still there.
	rows, err = conn.Query(ctx, s.q(`SELECT a.route, a.id, a.digest, a.accepted FROM @arrivals a
		JOIN unnest($1::integer[], $2::text[]) AS i (route, id) ON a.route = i.route AND a.id = i.id`), routes, ids)
	if err != nil {
		return err
	}
	_, err = a.read(rows, false)
	return err
}

// read takes in what the table says of ids, and returns of how many. What is
// known to be fresh stays so.
func (a *arrivals) read(rows pgx.Rows, fresh bool) (n int, err error) {
	var key arrivalKey
	var digest []byte
	var accepted time.Time
	_, err = pgx.ForEachRow(rows, []any{&key.route, &key.id, &digest, &accepted}, func() error {
		if m := a.known[key]; m != nil && !m.fresh {
			m.fresh, m.digest, m.accepted = fresh, bytes.Clone(digest), accepted.UTC()
		}
		n++
		return nil
	})
	return n, err
}

// settle decides about every event: what is new goes into rows and the books.
// The receipt of one that is not remembered says nothing of the time.
func (a *arrivals) settle(rows *eventRows, books *books) []route.Receipt {
	receipts := make([]route.Receipt, len(a.all))
	for i, in := range a.all {
		entry := books.of(a.ids.routes[in.event.Route])
		if r := in.receipt(); r.Conflict {
			receipts[i] = r
		} else if r.Duplicate {
			entry.duplicates++
			receipts[i] = r
		} else {
			entry.accepted++
			rows.add(in.event, a.ids)
			receipts[i] = r
		}
	}
	return receipts
}

func (in *arriving) receipt() route.Receipt {
	switch m := in.memory; {
	case m == nil:
		return route.Receipt{}
	case in.first && m.fresh:
		return route.Receipt{Accepted: m.accepted}
	case in.digest != nil && m.digest != nil && !bytes.Equal(in.digest, m.digest):
		return route.Receipt{Conflict: true, Accepted: m.accepted}
	default:
		return route.Receipt{Duplicate: true, Accepted: m.accepted}
	}
}
