package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Append implements [subscription.Journal].
func (s *Store) Append(ctx context.Context, a subscription.Append) error {
	return s.write(ctx, "append events", func(t *task) func(*txn) error {
		return func(tx *txn) error {
			fenced, err := tx.fenced(a.Subscription, a.Fence)
			if err != nil {
				return err
			}
			if fenced {
				t.err = fmt.Errorf("append events of %s: %w", a.Subscription, subscription.ErrFenced)
				return nil
			}
			return tx.append(a)
		}
	})
}

// fenced reports whether the lease of a subscription has passed on.
func (tx *txn) fenced(name string, fence int64) (bool, error) {
	if name == "" {
		return false, nil
	}
	s := tx.w.stmts.fence
	s.BindText(1, name)
	current, err := stepInt(s)
	if err != nil {
		return false, fmt.Errorf("read fence: %w", err)
	}
	return current != fence, nil
}

func (tx *txn) append(a subscription.Append) error {
	for i := range a.Events {
		if err := tx.accept(&a.Events[i], memory{}); err != nil {
			return fmt.Errorf("append event: %w", err)
		}
	}
	for name, n := range a.Filtered {
		if err := tx.count(name, func(d *delta) { d.filtered += n }); err != nil {
			return err
		}
	}
	for name, n := range a.Duplicates {
		if err := tx.count(name, func(d *delta) { d.duplicates += n }); err != nil {
			return err
		}
	}
	if a.Gap != nil {
		if err := tx.progress(a.Gap); err != nil {
			return err
		}
	}
	return tx.move(a)
}

// count changes the ledger of a route by name.
func (tx *txn) count(name string, change func(*delta)) error {
	id, err := tx.route(name)
	if err == nil {
		change(tx.of(id))
	}
	return err
}

// move stores a subscription's new position.
func (tx *txn) move(a subscription.Append) error {
	if a.Subscription == "" || a.Position == nil && a.EventTime.IsZero() {
		return nil
	}
	s := tx.w.stmts.position
	s.BindText(1, a.Subscription)
	if a.Position == nil {
		s.BindNull(2)
	} else {
		s.BindBytes(2, a.Position)
	}
	s.BindInt64(3, micros(a.EventTime))
	s.BindInt64(4, tx.now)
	if _, err := step(s); err != nil {
		return fmt.Errorf("move position: %w", err)
	}
	return nil
}

// micros is a time as the file holds it.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the inverse of micros.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
