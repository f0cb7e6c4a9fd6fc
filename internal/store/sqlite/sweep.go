package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// sweepScan bounds the records that one step looks at, and so what one commit
// of a sweep removes.
const sweepScan = 2000

// sweepMark remembers up to where a sweep has nothing left to remove, so that
// the next one need not look there. It is kept in memory: the first sweep of a
// process looks at everything.
type sweepMark struct {
	mu      sync.Mutex
	payload int64 // no record up to here has a payload
}

// candidate is a delivered record that a sweep may remove, or whose payload it may.
type candidate struct {
	seq     int64
	payload bool
}

// Sweep implements [contract.Store].
func (s *Store) Sweep(ctx context.Context, r contract.Retention) (swept contract.Swept, err error) {
	now := s.writer.now()
	if r.Metadata > 0 && r.Metadata < r.Payload {
		r.Metadata = r.Payload
	}
	if r.Metadata > 0 {
		if err := s.sweepRecords(ctx, cutoff(now, r.Metadata), &swept); err != nil {
			return swept, fmt.Errorf("sweep records: %w", err)
		}
		if err := s.sweepRegister(ctx, r.Metadata, &swept); err != nil {
			return swept, fmt.Errorf("sweep register: %w", err)
		}
	}
	if r.Payload > 0 {
		if err := s.sweepPayloads(ctx, cutoff(now, r.Payload), &swept); err != nil {
			return swept, fmt.Errorf("sweep payloads: %w", err)
		}
	}
	if err := s.sweepKeys(ctx, &swept); err != nil {
		return swept, err
	}
	return swept, s.sweepIDs(ctx, &swept)
}

func cutoff(now time.Time, age time.Duration) int64 { return now.Add(-age).UnixMicro() }

// sweepRecords removes records, histories and payloads of events delivered
// before cutoff. Records are accepted before they are delivered, so the walk
// ends at the first one accepted after it.
func (s *Store) sweepRecords(ctx context.Context, cutoff int64, swept *contract.Swept) error {
	return s.walk(ctx, 0, cutoff, func(found []candidate) error {
		var records, payloads int64
		err := s.write(ctx, "remove records", func(*task) func(*txn) error {
			return func(tx *txn) (err error) {
				records, payloads, err = tx.purge(found)
				return err
			}
		})
		if err == nil {
			swept.Records += records
			swept.Payloads += payloads
		}
		return err
	})
}

// purge removes delivered records and books their counts as removed.
func (tx *txn) purge(found []candidate) (records, payloads int64, err error) {
	// Sequence numbers must not be given out again when the newest record goes.
	if err := tx.setMeta("seq", tx.w.seq); err != nil {
		return 0, 0, err
	}
	for _, c := range found {
		if err := tx.noteRecord(c.seq); err != nil {
			return 0, 0, err
		}
		// A record that is no longer delivered cannot be: nothing leads back.
		if err := execute(tx.w.conn, `INSERT INTO purges (route, delivered, redelivered)
			SELECT route, 1, redelivered FROM events WHERE seq = ?1 AND state = 1
			ON CONFLICT (route) DO UPDATE SET delivered = delivered + excluded.delivered, redelivered = redelivered + excluded.redelivered`, c.seq); err != nil {
			return 0, 0, fmt.Errorf("count record: %w", err)
		}
		if err := execute(tx.w.conn, "DELETE FROM events WHERE seq = ? AND state = 1", c.seq); err != nil {
			return 0, 0, fmt.Errorf("remove record: %w", err)
		}
		if tx.w.conn.Changes() == 0 {
			continue
		}
		records++
		if err := execute(tx.w.conn, "DELETE FROM attempts WHERE seq = ?", c.seq); err != nil {
			return 0, 0, fmt.Errorf("remove history: %w", err)
		}
		n, err := tx.purgePayload(c.seq)
		if err != nil {
			return 0, 0, err
		}
		payloads += n
	}
	return records, payloads, nil
}

func (tx *txn) purgePayload(seq int64) (int64, error) {
	if err := execute(tx.w.conn, "DELETE FROM payloads WHERE seq = ?", seq); err != nil {
		return 0, fmt.Errorf("remove payload: %w", err)
	}
	return int64(tx.w.conn.Changes()), nil
}

// sweepPayloads removes the payloads of events delivered before cutoff.
func (s *Store) sweepPayloads(ctx context.Context, cutoff int64, swept *contract.Swept) error {
	s.mark.mu.Lock()
	defer s.mark.mu.Unlock()
	err := s.walk(ctx, s.mark.payload, cutoff, func(found []candidate) error {
		n := int64(0)
		err := s.write(ctx, "remove payloads", func(*task) func(*txn) error {
			return func(tx *txn) (err error) {
				n, err = tx.purgePayloads(found)
				return err
			}
		})
		if err == nil {
			swept.Payloads += n
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.read(ctx, func(c *conn) error {
		// The oldest payload left is of an event not yet old, waiting or dead.
		return c.query("SELECT coalesce(min(seq), 1) - 1 FROM payloads", nil, func(r row) { s.mark.payload = r.ColumnInt64(0) })
	})
}

func (tx *txn) purgePayloads(found []candidate) (n int64, err error) {
	for _, c := range found {
		if !c.payload {
			continue
		}
		removed, err := tx.purgePayload(c.seq)
		if err != nil {
			return 0, err
		}
		n += removed
	}
	return n, nil
}

// walk calls remove for the delivered records after from whose delivery lies
// before cutoff, a step at a time.
func (s *Store) walk(ctx context.Context, from, cutoff int64, remove func([]candidate) error) error {
	for {
		var found []candidate
		next := int64(0)
		err := s.read(ctx, func(c *conn) error {
			return c.query(`SELECT seq, state, ended, EXISTS (SELECT 1 FROM payloads p WHERE p.seq = e.seq)
				FROM events e WHERE seq > ? AND accepted <= ? ORDER BY seq LIMIT ?`, []any{from, cutoff, sweepScan}, func(r row) {
				next = r.ColumnInt64(0)
				if r.ColumnInt(1) == rowDelivered && r.ColumnInt64(2) <= cutoff {
					found = append(found, candidate{seq: next, payload: r.ColumnBool(3)})
				}
			})
		})
		if err != nil || next == 0 {
			return err
		}
		if len(found) > 0 {
			if err := remove(found); err != nil {
				return err
			}
		}
		from = next
	}
}
