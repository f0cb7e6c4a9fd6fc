package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var _ contract.Register = (*Store)(nil)

// Post implements [contract.Register].
func (s *Store) Post(ctx context.Context, postings []contract.Posting) (entered [][]bool, err error) {
	err = s.write(ctx, "post to the register", func(*task) func(*txn) error {
		return func(tx *txn) (err error) {
			entered, err = tx.post(postings)
			return err
		}
	})
	if err != nil {
		return nil, err
	}
	return entered, nil
}

func (tx *txn) post(postings []contract.Posting) ([][]bool, error) {
	out := make([][]bool, len(postings))
	for i := range postings {
		p := &postings[i]
		out[i] = make([]bool, len(p.Entries))
		sum := contract.Account{Confirmed: p.Confirmed, Duplicates: p.Duplicates, Redelivered: p.Redelivered}
		for j := range p.Entries {
			change, err := tx.enter(p.Route, &p.Entries[j])
			if err != nil {
				return nil, err
			}
			out[i][j] = change.Enter
			sum.Delivered += change.Delivered
			sum.Dead += change.Dead
		}
		if err := tx.trailPosted(p, out[i]); err != nil {
			return nil, err
		}
		if err := tx.account(p.Route, sum); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// enter writes one entry if the event's state allows it.
func (tx *txn) enter(route string, e *contract.Entry) (contract.Change, error) {
	stmt, err := tx.w.conn.Prepare("SELECT seq, state FROM registered WHERE route = ? AND id = ?")
	if err != nil {
		return contract.Change{}, err
	}
	id := e.Record.Event.ID
	stmt.BindText(1, route)
	stmt.BindText(2, id)
	found, err := stmt.Step()
	if err != nil {
		return contract.Change{}, fmt.Errorf("read entry: %w", err)
	}
	seq, before := int64(0), -1
	if found {
		seq, before = stmt.ColumnInt64(0), stmt.ColumnInt(1)
	}
	if err := stmt.Reset(); err != nil {
		return contract.Change{}, err
	}
	change := contract.ChangeOf(e, before)
	if !change.Enter {
		return change, nil
	}
	return change, tx.setEntry(seq, route, id, e)
}

func (tx *txn) setEntry(seq int64, route, id string, e *contract.Entry) error {
	record, err := contract.EncodeRegistered(&e.Record)
	if err != nil {
		return err
	}
	query := "INSERT INTO registered (state, at, copy, digest, record, route, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	if seq != 0 {
		query = "UPDATE registered SET state = ?1, at = ?2, copy = ?3, digest = ?4, record = ?5 WHERE seq = ?6"
	}
	stmt, err := tx.w.conn.Prepare(query)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, int64(contract.RegisterState(e.Record.State)))
	stmt.BindInt64(2, tx.now)
	stmt.BindText(3, e.Copy)
	stmt.BindBytes(4, e.Digest)
	stmt.BindBytes(5, record)
	if seq != 0 {
		stmt.BindInt64(6, seq)
	} else {
		stmt.BindText(6, route)
		stmt.BindText(7, id)
	}
	if _, err := step(stmt); err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	return nil
}

// account adds to a route's account.
func (tx *txn) account(route string, a contract.Account) error {
	stmt, err := tx.w.conn.Prepare(`INSERT INTO accounts (route, confirmed, delivered, dead, duplicates, redelivered) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (route) DO UPDATE SET confirmed = confirmed + excluded.confirmed, delivered = delivered + excluded.delivered,
		dead = dead + excluded.dead, duplicates = duplicates + excluded.duplicates, redelivered = redelivered + excluded.redelivered`)
	if err != nil {
		return err
	}
	stmt.BindText(1, route)
	for i, n := range [...]int64{a.Confirmed, a.Delivered, a.Dead, a.Duplicates, a.Redelivered} {
		stmt.BindInt64(i+2, n)
	}
	if _, err := step(stmt); err != nil {
		return fmt.Errorf("write account: %w", err)
	}
	return nil
}

// Look implements [contract.Register].
func (a *archive) Look(ctx context.Context, route string, ids []string) (known map[string]contract.Known, err error) {
	known = map[string]contract.Known{}
	err = a.read(ctx, func(c *conn) error {
		stmt, err := c.Prepare("SELECT seq, state, copy, digest, record FROM registered WHERE route = ? AND id = ?")
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := look(stmt, route, id, known); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look into the register: %w", err)
	}
	return known, nil
}

func look(stmt *sqlite.Stmt, route, id string, known map[string]contract.Known) error {
	stmt.BindText(1, route)
	stmt.BindText(2, id)
	found, err := stmt.Step()
	if err != nil {
		return err
	}
	if !found {
		return stmt.Reset()
	}
	rec, err := contract.DecodeRegistered(stmt.ColumnInt64(0), route, id, stmt.ColumnInt(1), columnBytes(stmt, 4))
	if err != nil {
		return err
	}
	known[id] = contract.Known{State: rec.State, Copy: stmt.ColumnText(2), Digest: columnBytes(stmt, 3), Record: rec}
	return stmt.Reset()
}

// Accounts implements [contract.Register].
func (a *archive) Accounts(ctx context.Context) (accounts []contract.Account, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query("SELECT route, confirmed, delivered, dead, duplicates, redelivered, purged FROM accounts ORDER BY route", nil, func(r row) {
			accounts = append(accounts, contract.Account{
				Route: r.ColumnText(0), Confirmed: r.ColumnInt64(1), Delivered: r.ColumnInt64(2), Dead: r.ColumnInt64(3),
				Duplicates: r.ColumnInt64(4), Redelivered: r.ColumnInt64(5), Purged: r.ColumnInt64(6),
			})
		})
	})
	return accounts, err
}

// AuditRegister implements [contract.Register].
func (a *archive) AuditRegister(ctx context.Context) (findings []delivery.Finding, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query(`SELECT a.route, a.delivered, a.dead,
			a.purged + (SELECT count(*) FROM registered b WHERE b.route = a.route AND b.state = 1),
			(SELECT count(*) FROM registered b WHERE b.route = a.route AND b.state = 2) FROM accounts a ORDER BY a.route`, nil, func(r row) {
			findings = append(findings, contract.CompareRegister(r.ColumnText(0), r.ColumnInt64(1), r.ColumnInt64(2), r.ColumnInt64(3), r.ColumnInt64(4))...)
		})
	})
	return findings, err
}

// ListRegistered implements [contract.Register].
func (a *archive) ListRegistered(ctx context.Context, f delivery.ListFilter) (records []delivery.Record, err error) {
	state, ok := contract.RegisterFilter(f.State)
	if !ok {
		return nil, nil
	}
	query := "SELECT seq, route, id, state, record FROM registered WHERE (?1 = '' OR route = ?1) AND (?2 < 0 OR state = ?2) AND (?3 = 0 OR seq < ?3) ORDER BY seq DESC LIMIT ?4"
	return a.registered(ctx, query, f.Route, state, f.Before, f.Limit)
}

// FindRegistered implements [contract.Register].
func (a *archive) FindRegistered(ctx context.Context, id string) ([]delivery.Record, error) {
	return a.registered(ctx, "SELECT seq, route, id, state, record FROM registered WHERE id = ? ORDER BY route", id)
}

func (a *archive) registered(ctx context.Context, query string, args ...any) (records []delivery.Record, err error) {
	err = a.read(ctx, func(c *conn) error {
		var failed error
		err := c.query(query, args, func(r row) {
			rec, err := contract.DecodeRegistered(r.ColumnInt64(0), r.ColumnText(1), r.ColumnText(2), r.ColumnInt(3), columnBytes(r.Stmt, 4))
			if err != nil {
				failed = err
				return
			}
			records = append(records, rec)
		})
		if err == nil {
			err = failed
		}
		return err
	})
	return records, err
}

// sweepRegister removes entries of events delivered before the given age.
func (s *Store) sweepRegister(ctx context.Context, age time.Duration, swept *contract.Swept) error {
	for {
		n := 0
		err := s.write(ctx, "remove entries", func(*task) func(*txn) error {
			return func(tx *txn) (err error) {
				n, err = tx.purgeRegister(cutoff(s.writer.now(), age))
				return err
			}
		})
		if err != nil {
			return err
		}
		swept.Records += int64(n)
		if n < sweepScan {
			return nil
		}
	}
}

func (tx *txn) purgeRegister(cutoff int64) (int, error) {
	old := fmt.Sprintf("SELECT seq FROM registered WHERE state = 1 AND at <= ? ORDER BY at LIMIT %d", sweepScan)
	if err := execute(tx.w.conn, `UPDATE accounts SET purged = purged + n FROM
		(SELECT route AS r, count(*) AS n FROM registered WHERE seq IN (`+old+`) GROUP BY route) WHERE route = r`, cutoff); err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	if err := execute(tx.w.conn, "DELETE FROM registered WHERE seq IN ("+old+")", cutoff); err != nil {
		return 0, fmt.Errorf("remove entries: %w", err)
	}
	return tx.w.conn.Changes(), nil
}
