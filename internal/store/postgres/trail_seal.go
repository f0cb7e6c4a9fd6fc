package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/trail"
)

const (
	trailColumns = "number, at, route, body, coalesce(place, 0), hash"
	sealColumns  = "number, place, hash, at, prev, digest, key, signature"
)

// alone reports whether this transaction is the only one at work on the chain.
func (s *Store) alone(ctx context.Context, conn *pgx.Conn) (alone bool, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", "sallyport trail of "+s.cfg.Schema).Scan(&alone)
	return alone, err
}

// SealTrail implements [trail.Book].
func (s *Store) SealTrail(ctx context.Context, limit int, signer *trail.Signer) (n int, err error) {
	if err := s.writable("seal audit trail"); err != nil {
		return 0, err
	}
	err = s.write(ctx, "seal audit trail", func(ctx context.Context, conn *pgx.Conn) error {
		n = 0
		alone, err := s.alone(ctx, conn)
		if err != nil || !alone {
			return err
		}
		entries, err := trailEntries(conn.Query(ctx, s.q("SELECT "+trailColumns+" FROM @trail WHERE place IS NULL ORDER BY number LIMIT $1"), limit))
		if err != nil || len(entries) == 0 {
			return err
		}
		n = len(entries)
		return s.seal(ctx, conn, entries, signer)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// seal chains entries and writes their seal.
func (s *Store) seal(ctx context.Context, conn *pgx.Conn, entries []trail.Entry, signer *trail.Signer) error {
	last, err := trailSeals(conn.Query(ctx, s.q("SELECT "+sealColumns+" FROM @trail_seals ORDER BY number DESC LIMIT 1")))
	if err != nil {
		return err
	}
	var before trail.Seal
	if len(last) > 0 {
		before = last[0]
	}
	var at int64
	if err := conn.QueryRow(ctx, "SELECT "+trailNow, s.now()).Scan(&at); err != nil {
		return err
	}
	seal := trail.Continue(before, entries, time.UnixMicro(at), signer)
	numbers, places, hashes := make([]int64, len(entries)), make([]int64, len(entries)), make([][]byte, len(entries))
	for i := range entries {
		numbers[i], places[i], hashes[i] = entries[i].Number, entries[i].Place, entries[i].Hash
	}
	batch := &pgx.Batch{}
	batch.Queue(s.q(`UPDATE @trail t SET place = i.place, hash = i.hash
		FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS i (number, place, hash) WHERE t.number = i.number`), numbers, places, hashes)
	batch.Queue(s.q("INSERT INTO @trail_seals ("+sealColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"),
		seal.Number, seal.Place, seal.Hash, seal.At.UnixMicro(), notNil(seal.Prev), seal.Digest, seal.Key, notNil(seal.Signature))
	return conn.SendBatch(ctx, batch).Close()
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
	if err := s.writable("remove old audit trail"); err != nil {
		return 0, err
	}
	err = s.write(ctx, "remove old audit trail", func(ctx context.Context, conn *pgx.Conn) error {
		n = 0
		alone, err := s.alone(ctx, conn)
		if err != nil || !alone {
			return err
		}
		n, err = s.dropTrail(ctx, conn, before, limit, signer)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *Store) dropTrail(ctx context.Context, conn *pgx.Conn, before time.Time, limit int64, signer *trail.Signer) (int64, error) {
	var first int64
	if err := conn.QueryRow(ctx, s.q("SELECT coalesce(min(place), 0) FROM @trail WHERE place IS NOT NULL")).Scan(&first); err != nil || first == 0 {
		return 0, err
	}
	// The last old seal within the limit, or else the first one.
	seals, err := trailSeals(conn.Query(ctx, s.q("SELECT "+sealColumns+` FROM @trail_seals WHERE at < $1 AND place >= $2
		ORDER BY place <= $2 + $3::bigint DESC, CASE WHEN place <= $2 + $3::bigint THEN -number ELSE number END LIMIT 1`), before.UnixMicro(), first, limit))
	if err != nil || len(seals) == 0 {
		return 0, err
	}
	anchor := seals[0]
	body, err := trail.Body{Deed: trail.Dropped, UpTo: anchor.Place, Process: s.cfg.Owner}.Encode()
	if err != nil {
		return 0, err
	}
	said, err := trailEntries(conn.Query(ctx, s.q("INSERT INTO @trail (at, route, body) SELECT "+trailNow+", '', $2 RETURNING "+trailColumns), s.now(), body))
	if err != nil {
		return 0, err
	}
	if err := s.seal(ctx, conn, said, signer); err != nil {
		return 0, err
	}
	if _, err := conn.Exec(ctx, s.q("DELETE FROM @trail_seals WHERE number < $1"), anchor.Number); err != nil {
		return 0, err
	}
	tag, err := conn.Exec(ctx, s.q("DELETE FROM @trail WHERE place <= $1"), anchor.Place)
	return tag.RowsAffected(), err
}

// TrailSeals implements [trail.Reader].
func (s *Store) TrailSeals(ctx context.Context, after int64, limit int) (seals []trail.Seal, err error) {
	err = s.read(ctx, "read audit trail", func(tx pgx.Tx) error {
		seals, err = trailSeals(tx.Query(ctx, s.q("SELECT "+sealColumns+" FROM @trail_seals WHERE number > $1 ORDER BY number LIMIT $2"), after, limit))
		return err
	})
	return seals, err
}

// TrailEntries implements [trail.Reader].
func (s *Store) TrailEntries(ctx context.Context, after int64, limit int) (entries []trail.Entry, err error) {
	err = s.read(ctx, "read audit trail", func(tx pgx.Tx) error {
		entries, err = trailEntries(tx.Query(ctx, s.q("SELECT "+trailColumns+" FROM @trail WHERE place > $1 ORDER BY place LIMIT $2"), after, limit))
		return err
	})
	return entries, err
}

// TrailUnsealed implements [trail.Reader].
func (s *Store) TrailUnsealed(ctx context.Context) (u trail.Unsealed, err error) {
	err = s.read(ctx, "read audit trail", func(tx pgx.Tx) error {
		var oldest *int64
		err := tx.QueryRow(ctx, s.q("SELECT count(*), min(at) FROM @trail WHERE place IS NULL")).Scan(&u.Count, &oldest)
		if oldest != nil {
			u.Oldest = time.UnixMicro(*oldest).UTC()
		}
		return err
	})
	return u, err
}

func trailEntries(rows pgx.Rows, err error) ([]trail.Entry, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e trail.Entry, err error) {
		var at int64
		err = row.Scan(&e.Number, &at, &e.Route, &e.Body, &e.Place, &e.Hash)
		e.At, e.Route = time.UnixMicro(at).UTC(), untext(e.Route)
		return e, err
	})
}

func trailSeals(rows pgx.Rows, err error) ([]trail.Seal, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s trail.Seal, err error) {
		var at int64
		err = row.Scan(&s.Number, &s.Place, &s.Hash, &at, &s.Prev, &s.Digest, &s.Key, &s.Signature)
		s.At = time.UnixMicro(at).UTC()
		return s, err
	})
}
