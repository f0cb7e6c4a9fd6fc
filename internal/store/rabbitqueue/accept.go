package rabbitqueue

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Accept implements [route.Intake]: it returns when the broker has confirmed
// the arrivals. Ids that this process remembers are refused as duplicates or
// conflicts; of all others a second copy is removed at delivery. While ctx
// allows, a publication without an answer is repeated under its own copy id.
func (q *Queue) Accept(ctx context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	now := time.Now().UTC()
	receipts := make([]route.Receipt, len(arrivals))
	var out []rabbit.Publication
	var whose []int
	for i := range arrivals {
		a := &arrivals[i]
		w, err := q.route(a.Event.Route)
		if err != nil {
			return nil, err
		}
		if err := w.admit(ctx); err != nil {
			return nil, err
		}
		receipts[i] = route.Receipt{Accepted: now}
		if seen, ok := w.known.begin(a, now); ok {
			receipts[i] = seen
			continue
		}
		out, whose = append(out, w.publication(a, q.mint.next(), now)), append(whose, i)
	}
	errs := q.publish(ctx, out)
	for k, i := range whose {
		w := q.routes[arrivals[i].Event.Route]
		if errs != nil && errs[k] != nil {
			w.known.forget(arrivals[i].Event.ID, now)
			continue
		}
		if w.cfg.Trail {
			w.accepted.add(contract.AcceptanceOf(&arrivals[i].Event, now))
		}
		w.confirmed.Add(1)
		w.gauge.in.Add(1)
	}
	if err := worst(errs); err != nil {
		return nil, err
	}
	return receipts, nil
}

func (w *waiting) publication(a *route.Arrival, copy string, now time.Time) rabbit.Publication {
	l := letter{event: a.Event, copy: copy, digest: a.Digest, accepted: now}
	h := hash(a.Event.Key, a.Event.ID)
	p := rabbit.Publication{Exchange: w.names.exchange, Key: w.names.lanes[int(h)%len(w.names.lanes)], Message: l.write()}
	if w.cfg.Ordered {
		p.Order = h | 1 // equal keys keep their order
	}
	return p
}

// publish publishes, repeating what has no answer for as long as ctx allows. It
// returns an error per publication, or nil.
func (q *Queue) publish(ctx context.Context, out []rabbit.Publication) []error {
	if len(out) == 0 {
		return nil
	}
	errs := q.pub.Publish(ctx, out)
	for tries := 0; errs != nil && ctx.Err() == nil && tries < 8; tries++ {
		var again []rabbit.Publication
		var where []int
		for i, err := range errs {
			if errors.Is(err, rabbit.ErrUnknown) || errors.Is(err, rabbit.ErrHeld) || errors.Is(err, rabbit.ErrReturned) && tries == 0 && q.redeclare(ctx, out[i].Key) {
				again, where = append(again, out[i]), append(where, i)
			}
		}
		if len(again) == 0 {
			break
		}
		results := q.pub.Publish(ctx, again)
		for k, i := range where {
			if results == nil {
				errs[i] = nil
			} else if e := results[k]; e == nil || !errors.Is(errs[i], rabbit.ErrUnknown) {
				errs[i] = e // what was unknown stays so, whatever a repetition says
			}
		}
	}
	return errs
}

// redeclare declares a route whose queue has gone, such as by a person's hand.
func (q *Queue) redeclare(ctx context.Context, queue string) bool {
	for _, w := range q.routes {
		for _, name := range append(w.names.waiting(), w.names.dead) {
			if name == queue {
				return w.declare(ctx) == nil
			}
		}
	}
	return false
}

// worst returns the error that says most: one that may have happened rather
// than one that has not.
func worst(errs []error) error {
	var out error
	for _, err := range errs {
		e, ok := errors.AsType[*event.Error](err)
		if err != nil && (out == nil || ok && e.Happened != event.HappenedNo) {
			out = err
		}
	}
	return out
}

// knownLimit bounds the ids that a route remembers in memory.
const knownLimit = 50_000

// acceptedIDs are ids that this process has accepted or is accepting.
type acceptedIDs struct {
	mu   sync.Mutex
	ids  map[string]acceptedID
	ring []string
	next int
}

type acceptedID struct {
	at, until time.Time
	digest    []byte
}

// begin looks an arrival's id up and remembers it if it is new.
func (k *acceptedIDs) begin(a *route.Arrival, now time.Time) (route.Receipt, bool) {
	if a.Remember <= 0 {
		return route.Receipt{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	id := a.Event.ID
	if old, ok := k.ids[id]; ok && old.until.After(now) {
		conflict := a.Digest != nil && old.digest != nil && !bytes.Equal(a.Digest, old.digest)
		return route.Receipt{Duplicate: !conflict, Conflict: conflict, Accepted: old.at}, true
	}
	if k.ids == nil {
		k.ids = map[string]acceptedID{}
	}
	if len(k.ring) < knownLimit {
		k.ring = append(k.ring, id)
	} else {
		delete(k.ids, k.ring[k.next])
		k.ring[k.next] = id
		k.next = (k.next + 1) % knownLimit
	}
	k.ids[id] = acceptedID{at: now, until: now.Add(a.Remember), digest: a.Digest}
	return route.Receipt{}, false
}

// forget takes back an id whose acceptance failed: a repetition must be published.
func (k *acceptedIDs) forget(id string, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.ids[id]; ok && old.at.Equal(at) {
		delete(k.ids, id)
	}
}
