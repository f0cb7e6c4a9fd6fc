package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/trail"
)

const (
	trailColumns = "number, at, route, body, coalesce(place, 0), hash"
	sealColumns  = "number, place, hash, at, prev, digest, key, signature"
)

// SealTrail implements [trail.Book].
func (s *Store) SealTrail(ctx context.Context, limit int, signer *trail.Signer) (n int, err error) {
	// Mostly there is nothing, and then nothing need be written.
	u, err := s.TrailUnsealed(ctx)
	if err != nil || u.Count == 0 {
		return 0, err
	}
	err = s.write(ctx, "seal audit trail", func(*task) func(*txn) error {
		return func(tx *txn) (err error) {
			entries, err := trailEntries(tx.w.conn, "SELECT "+trailColumns+" FROM trail WHERE place IS NULL ORDER BY number LIMIT ?", int64(limit))
			n = len(entries)
			if err != nil || n == 0 {
				return err
			}
			return tx.seal(entries, signer)
		}
	})
	return n, err
}

// seal chains entries and writes their seal.
func (tx *txn) seal(entries []trail.Entry, signer *trail.Signer) error {
	last, err := trailSeals(tx.w.conn, "SELECT "+sealColumns+" FROM trail_seals ORDER BY number DESC LIMIT ?", 1)
	if err != nil {
		return err
	}
	var before trail.Seal
	if len(last) > 0 {
		before = last[0]
	}
	seal := trail.Continue(before, entries, instant(tx.now), signer)
	stmt, err := tx.w.conn.Prepare("UPDATE trail SET place = ?, hash = ? WHERE number = ?")
	if err != nil {
		return err
	}
	for i := range entries {
		stmt.BindInt64(1, entries[i].Place)
		stmt.BindBytes(2, entries[i].Hash)
		stmt.BindInt64(3, entries[i].Number)
		if _, err := step(stmt); err != nil {
			return fmt.Errorf("chain entry: %w", err)
		}
	}
	return execute(tx.w.conn, "INSERT INTO trail_seals ("+sealColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		seal.Number, seal.Place, seal.Hash, micros(seal.At), notNil(seal.Prev), seal.Digest, seal.Key, notNil(seal.Signature))
}

// notNil keeps an empty value from becoming NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// DropTrail implements [trail.Book].
func (s *Store) DropTrail(ctx context.Context, before time.Time, limit int64, signer *trail.Signer) (n int64, err error) {
	err = s.write(ctx, "remove old audit trail", func(*task) func(*txn) error {
		return func(tx *txn) (err error) {
			n, err = tx.dropTrail(before, limit, signer)
			return err
		}
	})
	return n, err
}

func (tx *txn) dropTrail(before time.Time, limit int64, signer *trail.Signer) (int64, error) {
	first, err := resultInt(tx.w.conn, "SELECT coalesce(min(place), 0) FROM trail WHERE place IS NOT NULL")
	if err != nil || first == 0 {
		return 0, err
	}
	// The last old seal within the limit, or else the first one.
	seals, err := trailSeals(tx.w.conn, "SELECT "+sealColumns+` FROM trail_seals WHERE at < ?2 AND place >= ?3
		ORDER BY place <= ?3 + ?4 DESC, iif(place <= ?3 + ?4, -number, number) LIMIT ?1`, 1, micros(before), first, limit)
	if err != nil || len(seals) == 0 {
		return 0, err
	}
	anchor := seals[0]
	if err := tx.trail("", trail.Body{Deed: trail.Dropped, UpTo: anchor.Place, Process: tx.w.owner}); err != nil {
		return 0, err
	}
	said, err := trailEntries(tx.w.conn, "SELECT "+trailColumns+" FROM trail WHERE number = ?", tx.w.conn.LastInsertRowID())
	if err != nil {
		return 0, err
	}
	if err := tx.seal(said, signer); err != nil {
		return 0, err
	}
	if err := execute(tx.w.conn, "DELETE FROM trail_seals WHERE number < ?", anchor.Number); err != nil {
		return 0, err
	}
	if err := execute(tx.w.conn, "DELETE FROM trail WHERE place <= ?", anchor.Place); err != nil {
		return 0, err
	}
	return int64(tx.w.conn.Changes()), nil
}

// TrailSeals implements [trail.Reader].
func (a *archive) TrailSeals(ctx context.Context, after int64, limit int) (seals []trail.Seal, err error) {
	err = a.read(ctx, func(c *conn) (err error) {
		seals, err = trailSeals(c.Conn, "SELECT "+sealColumns+" FROM trail_seals WHERE number > ?2 ORDER BY number LIMIT ?1", int64(limit), after)
		return err
	})
	return seals, err
}

// TrailEntries implements [trail.Reader].
func (a *archive) TrailEntries(ctx context.Context, after int64, limit int) (entries []trail.Entry, err error) {
	err = a.read(ctx, func(c *conn) (err error) {
		entries, err = trailEntries(c.Conn, "SELECT "+trailColumns+" FROM trail WHERE place > ?2 ORDER BY place LIMIT ?1", int64(limit), after)
		return err
	})
	return entries, err
}

// TrailUnsealed implements [trail.Reader].
func (a *archive) TrailUnsealed(ctx context.Context) (u trail.Unsealed, err error) {
	err = a.read(ctx, func(c *conn) error {
		return c.query("SELECT count(*), coalesce(min(at), 0) FROM trail WHERE place IS NULL", nil, func(r row) {
			u = trail.Unsealed{Count: r.ColumnInt64(0), Oldest: instant(r.ColumnInt64(1))}
		})
	})
	return u, err
}

// trailRows runs a query of integers.
func trailRows(c *sqlite.Conn, query string, args []int64, each func(*sqlite.Stmt)) error {
	stmt, err := c.Prepare(query)
	if err != nil {
		return err
	}
	for i, n := range args {
		stmt.BindInt64(i+1, n)
	}
	for {
		row, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset()
			return fmt.Errorf("read audit trail: %w", err)
		}
		if !row {
			return stmt.Reset()
		}
		each(stmt)
	}
}

func trailEntries(c *sqlite.Conn, query string, args ...int64) (entries []trail.Entry, err error) {
	err = trailRows(c, query, args, func(r *sqlite.Stmt) {
		entries = append(entries, trail.Entry{
			Number: r.ColumnInt64(0), At: time.UnixMicro(r.ColumnInt64(1)).UTC(), Route: r.ColumnText(2), Body: columnBytes(r, 3),
			Place: r.ColumnInt64(4), Hash: columnBytes(r, 5),
		})
	})
	return entries, err
}

func trailSeals(c *sqlite.Conn, query string, args ...int64) (seals []trail.Seal, err error) {
	err = trailRows(c, query, args, func(r *sqlite.Stmt) {
		seals = append(seals, trail.Seal{
			Number: r.ColumnInt64(0), Place: r.ColumnInt64(1), Hash: columnBytes(r, 2), At: time.UnixMicro(r.ColumnInt64(3)).UTC(),
			Prev: columnBytes(r, 4), Digest: columnBytes(r, 5), Key: r.ColumnText(6), Signature: columnBytes(r, 7),
		})
	})
	return seals, err
}
