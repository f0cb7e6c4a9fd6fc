package sqlite

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// budgetSchema is an upgrade: the org's account, and notes.
const budgetSchema = `
CREATE TABLE budget_uses (
	org TEXT NOT NULL, priority TEXT NOT NULL, hour INTEGER NOT NULL,
	used INTEGER NOT NULL, refused INTEGER NOT NULL,
	PRIMARY KEY (org, priority, hour)
) STRICT, WITHOUT ROWID;

-- The newest of each ten minutes.
CREATE TABLE budget_readings (
	org TEXT NOT NULL, name TEXT NOT NULL, bucket INTEGER NOT NULL,
	at INTEGER NOT NULL, used INTEGER NOT NULL, max INTEGER NOT NULL,
	PRIMARY KEY (org, name, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE notes (
	scope TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL,
	PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
`

// Book implements [budget.Book].
func (s *Store) Book(ctx context.Context, p budget.Posting) (account budget.Account, err error) {
	err = s.write(ctx, "book API use", func(*task) func(*txn) error {
		return func(tx *txn) error {
			account = budget.Account{} // it may be run twice
			return tx.bookUse(p, &account)
		}
	})
	if err != nil {
		return budget.Account{}, err
	}
	return account, nil
}

func (tx *txn) bookUse(p budget.Posting, account *budget.Account) error {
	c := &conn{Conn: tx.w.conn}
	for _, u := range p.Uses {
		if err := c.query(`INSERT INTO budget_uses (org, priority, hour, used, refused) VALUES (?, ?, ?, ?, ?) ON CONFLICT (org, priority, hour)
			DO UPDATE SET used = used + excluded.used, refused = refused + excluded.refused`,
			[]any{p.Org, u.Priority, micros(u.Hour), u.Used, u.Refused}, ignore); err != nil {
			return err
		}
	}
	for _, r := range p.Readings {
		if err := c.query(`INSERT INTO budget_readings (org, name, bucket, at, used, max) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org, name, bucket)
			DO UPDATE SET at = excluded.at, used = excluded.used, max = excluded.max WHERE at <= excluded.at`,
			[]any{p.Org, r.Name, micros(r.Bucket()), micros(r.At), r.Used, r.Max}, ignore); err != nil {
			return err
		}
	}
	if !p.Forget.IsZero() {
		for _, statement := range []string{
			"DELETE FROM budget_uses WHERE org = ? AND hour < ?", "DELETE FROM budget_readings WHERE org = ? AND bucket < ?",
		} {
			if err := c.query(statement, []any{p.Org, micros(p.Forget)}, ignore); err != nil {
				return err
			}
		}
	}
	return c.account(p, account)
}

func ignore(row) {}

func (c *conn) account(p budget.Posting, account *budget.Account) error {
	err := c.query("SELECT priority, hour, used, refused FROM budget_uses WHERE org = ? AND hour >= ?", []any{p.Org, micros(p.Since)}, func(r row) {
		account.Uses = append(account.Uses, budget.Use{
			Priority: r.ColumnText(0), Hour: instant(r.ColumnInt64(1)), Used: r.ColumnInt64(2), Refused: r.ColumnInt64(3),
		})
	})
	if err != nil {
		return err
	}
	return c.query("SELECT name, at, used, max FROM budget_readings WHERE org = ? AND bucket >= ? ORDER BY name, at", []any{p.Org, micros(p.Since)}, func(r row) {
		account.Readings = append(account.Readings, budget.Reading{
			Name: r.ColumnText(0), At: instant(r.ColumnInt64(1)), Used: r.ColumnInt64(2), Max: r.ColumnInt64(3),
		})
	})
}

// Book implements [budget.Book] by refusing.
func (*inspector) Book(context.Context, budget.Posting) (budget.Account, error) {
	return budget.Account{}, contract.Inspecting("book API use")
}
