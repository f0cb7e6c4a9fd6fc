package sqlite

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var _ route.Intake = (*Store)(nil)

// Accept implements [route.Intake]. Duplicates are counted in the ledger of
// their route; conflicts are not.
func (s *Store) Accept(ctx context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	if err := contract.CheckArrivals(arrivals); err != nil {
		return nil, err
	}
	receipts := make([]route.Receipt, len(arrivals))
	err := s.write(ctx, "accept arrivals", func(*task) func(*txn) error {
		return func(tx *txn) error {
			for i := range arrivals {
				a := &arrivals[i]
				var err error
				if receipts[i], err = tx.arrive(&a.Event, a.Digest, a.Remember); err != nil {
					return err
				}
			}
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

// arrive stores an event unless its route knows its id.
func (tx *txn) arrive(e *event.Event, digest []byte, remember time.Duration) (route.Receipt, error) {
	if remember <= 0 {
		return route.Receipt{Accepted: instant(tx.now)}, tx.accept(e, memory{})
	}
	number, err := tx.route(e.Route)
	if err != nil {
		return route.Receipt{}, err
	}
	k := markOf(number, e.ID)
	known, ok, err := tx.known(k)
	if err != nil {
		return route.Receipt{}, err
	}
	is := memory{accepted: tx.now, until: tx.now + remember.Microseconds(), digest: digestMark(digest)}
	if !ok {
		err := tx.accept(e, is)
		tx.remember(k, is)
		return route.Receipt{Accepted: instant(tx.now)}, err
	}
	r := route.Receipt{Accepted: instant(known.accepted)}
	if r.Conflict = known.digest != is.digest && known.digest != (mark{}) && is.digest != (mark{}); !r.Conflict {
		r.Duplicate = true
		tx.of(number).duplicates++
	}
	return r, nil
}

// follow stores what a settlement brings about.
func (tx *txn) follow(events []event.Event) error {
	for i := range events {
		remember := contract.FollowMemory
		if events[i].ID == "" {
			remember = 0
		}
		if _, err := tx.arrive(&events[i], nil, remember); err != nil {
			return err
		}
	}
	return nil
}
