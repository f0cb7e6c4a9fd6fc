package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Acquire implements [subscription.Leases]. Every acquisition has a greater
// fence, so that also a holder's namesake from before a crash is fenced.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l subscription.Lease, ok bool, err error) {
	if err := s.writable("acquire lease"); err != nil {
		return l, false, err
	}
	err = s.write(ctx, "acquire lease", func(ctx context.Context, conn *pgx.Conn) error {
		l, ok = subscription.Lease{Name: name, Holder: holder}, true
		err := conn.QueryRow(ctx, s.q(`
			INSERT INTO @leases AS l (name, holder, fence, until)
			VALUES ($1, $2, 1, coalesce($3::timestamptz, now()) + $4 * interval '1 microsecond')
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = l.fence + 1, until = excluded.until
			WHERE l.holder IN (excluded.holder, '') OR l.until <= coalesce($3::timestamptz, now())
			RETURNING fence, until`), text(name), text(holder), s.now(), ttl.Microseconds()).Scan(&l.Fence, &l.Until)
		if errors.Is(err, pgx.ErrNoRows) {
			ok = false
			err = conn.QueryRow(ctx, s.q("SELECT holder, fence, until FROM @leases WHERE name = $1"), text(name)).Scan(&l.Holder, &l.Fence, &l.Until)
			l.Holder = untext(l.Holder)
		}
		l.Until = l.Until.UTC()
		return err
	})
	if err != nil {
		return subscription.Lease{}, false, err
	}
	return l, ok, nil
}

// Renew implements [subscription.Leases]. A lease that has run out without
// anyone else taking it is renewed.
func (s *Store) Renew(ctx context.Context, l subscription.Lease, ttl time.Duration) error {
	if err := s.writable("renew lease"); err != nil {
		return err
	}
	var renewed bool
	err := s.write(ctx, "renew lease", func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, s.q(`UPDATE @leases SET until = coalesce($4::timestamptz, now()) + $5 * interval '1 microsecond'
			WHERE name = $1 AND holder = $2 AND fence = $3`), text(l.Name), text(l.Holder), l.Fence, s.now(), ttl.Microseconds())
		renewed = tag.RowsAffected() == 1
		return err
	})
	if err == nil && !renewed {
		err = fmt.Errorf("renew lease of %s: %w", l.Name, subscription.ErrFenced)
	}
	return err
}

// Release implements [subscription.Leases]. The fence stays, so that the next
// holder's is greater.
func (s *Store) Release(ctx context.Context, l subscription.Lease) error {
	if err := s.writable("release lease"); err != nil {
		return err
	}
	return s.write(ctx, "release lease", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.q("UPDATE @leases SET holder = '' WHERE name = $1 AND holder = $2 AND fence = $3"),
			text(l.Name), text(l.Holder), l.Fence)
		return err
	})
}
