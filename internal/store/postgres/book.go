package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// Book implements [budget.Book]. The rows are changed in one order by every
// process, so that two never wait for each other in a circle.
func (s *Store) Book(ctx context.Context, p budget.Posting) (account budget.Account, err error) {
	if err := s.writable("book API use"); err != nil {
		return account, err
	}
	slices.SortFunc(p.Uses, func(a, b budget.Use) int {
		if c := strings.Compare(a.Priority, b.Priority); c != 0 {
			return c
		}
		return a.Hour.Compare(b.Hour)
	})
	slices.SortFunc(p.Readings, compareReadings)
	err = s.write(ctx, "book API use", func(ctx context.Context, conn *pgx.Conn) error {
		account = budget.Account{}
		return s.book(ctx, conn, p, &account)
	})
	if err != nil {
		return budget.Account{}, err
	}
	slices.SortFunc(account.Readings, compareReadings)
	return account, nil
}

func compareReadings(a, b budget.Reading) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return a.At.Compare(b.At)
}

func (s *Store) book(ctx context.Context, conn *pgx.Conn, p budget.Posting, account *budget.Account) error {
	batch := &pgx.Batch{}
	for _, u := range p.Uses {
		batch.Queue(s.q(`INSERT INTO @budget_uses AS b (org, priority, hour, used, refused) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (org, priority, hour) DO UPDATE SET used = b.used + excluded.used, refused = b.refused + excluded.refused`),
			text(p.Org), text(u.Priority), u.Hour, u.Used, u.Refused)
	}
	for _, r := range p.Readings {
		batch.Queue(s.q(`INSERT INTO @budget_readings AS b (org, name, bucket, at, used, max) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (org, name, bucket) DO UPDATE SET at = excluded.at, used = excluded.used, max = excluded.max WHERE b.at <= excluded.at`),
			text(p.Org), text(r.Name), r.Bucket(), r.At, r.Used, r.Max)
	}
	if !p.Forget.IsZero() {
		batch.Queue(s.q("DELETE FROM @budget_uses WHERE org = $1 AND hour < $2"), text(p.Org), p.Forget)
		batch.Queue(s.q("DELETE FROM @budget_readings WHERE org = $1 AND bucket < $2"), text(p.Org), p.Forget)
	}
	batch.Queue(s.q("SELECT priority, hour, used, refused FROM @budget_uses WHERE org = $1 AND hour >= $2"), text(p.Org), p.Since).
		Query(func(rows pgx.Rows) (err error) {
			account.Uses, err = pgx.AppendRows(account.Uses, rows, scanUse)
			return err
		})
	batch.Queue(s.q("SELECT name, at, used, max FROM @budget_readings WHERE org = $1 AND bucket >= $2"), text(p.Org), p.Since).
		Query(func(rows pgx.Rows) (err error) {
			account.Readings, err = pgx.AppendRows(account.Readings, rows, scanReading)
			return err
		})
	return conn.SendBatch(ctx, batch).Close()
}

func scanUse(row pgx.CollectableRow) (u budget.Use, err error) {
	err = row.Scan(&u.Priority, &u.Hour, &u.Used, &u.Refused)
	u.Priority, u.Hour = untext(u.Priority), u.Hour.UTC()
	return u, err
}

func scanReading(row pgx.CollectableRow) (r budget.Reading, err error) {
	var at time.Time
	err = row.Scan(&r.Name, &at, &r.Used, &r.Max)
	r.Name, r.At = untext(r.Name), at.UTC()
	return r, err
}
