package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Acquire implements [subscription.Leases]. Every acquisition has a greater
// fence, so that also a holder's namesake from before a crash is fenced.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l subscription.Lease, ok bool, err error) {
	err = s.write(ctx, "acquire lease", func(*task) func(*txn) error {
		return func(tx *txn) (err error) {
			l, ok, err = tx.acquire(name, holder, ttl)
			return err
		}
	})
	return l, ok, err
}

func (tx *txn) acquire(name, holder string, ttl time.Duration) (subscription.Lease, bool, error) {
	now, err := tx.lease(name)
	if err != nil {
		return subscription.Lease{}, false, err
	}
	if now.Holder != holder && now.Holder != "" && micros(now.Until) > tx.now {
		return now, false, nil
	}
	l := subscription.Lease{Name: name, Holder: holder, Fence: now.Fence + 1, Until: instant(tx.now + ttl.Microseconds())}
	return l, true, tx.setLease(l)
}

// lease reads the lease of a name; one without a holder if nobody ever had it.
func (tx *txn) lease(name string) (subscription.Lease, error) {
	stmt, err := tx.w.conn.Prepare("SELECT holder, fence, until FROM leases WHERE name = ?")
	if err != nil {
		return subscription.Lease{}, err
	}
	stmt.BindText(1, name)
	l := subscription.Lease{Name: name}
	row, err := stmt.Step()
	if err != nil {
		return l, fmt.Errorf("read lease: %w", err)
	}
	if row {
		l.Holder, l.Fence, l.Until = stmt.ColumnText(0), stmt.ColumnInt64(1), instant(stmt.ColumnInt64(2))
	}
	return l, stmt.Reset()
}

func (tx *txn) setLease(l subscription.Lease) error {
	stmt, err := tx.w.conn.Prepare(`INSERT INTO leases (name, holder, fence, until) VALUES (?, ?, ?, ?) ON CONFLICT (name)
		DO UPDATE SET holder = excluded.holder, fence = excluded.fence, until = excluded.until`)
	if err != nil {
		return err
	}
	stmt.BindText(1, l.Name)
	stmt.BindText(2, l.Holder)
	stmt.BindInt64(3, l.Fence)
	stmt.BindInt64(4, micros(l.Until))
	if _, err := step(stmt); err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	return nil
}

// Renew implements [subscription.Leases]. A lease that has run out without
// anyone else taking it is renewed.
func (s *Store) Renew(ctx context.Context, l subscription.Lease, ttl time.Duration) error {
	return s.write(ctx, "renew lease", func(t *task) func(*txn) error {
		return func(tx *txn) error {
			held, err := tx.holds(l)
			if err != nil {
				return err
			}
			if !held {
				t.err = fmt.Errorf("renew lease of %s: %w", l.Name, subscription.ErrFenced)
				return nil
			}
			l.Until = instant(tx.now + ttl.Microseconds())
			return tx.setLease(l)
		}
	})
}

// Release implements [subscription.Leases]. The fence stays, so that the next
// holder's is greater.
func (s *Store) Release(ctx context.Context, l subscription.Lease) error {
	return s.write(ctx, "release lease", func(*task) func(*txn) error {
		return func(tx *txn) error {
			held, err := tx.holds(l)
			if err != nil || !held {
				return err
			}
			return tx.setLease(subscription.Lease{Name: l.Name, Fence: l.Fence})
		}
	})
}

// holds reports whether l is the newest lease of its name and not given up.
func (tx *txn) holds(l subscription.Lease) (bool, error) {
	now, err := tx.lease(l.Name)
	return now.Fence == l.Fence && now.Holder == l.Holder, err
}
