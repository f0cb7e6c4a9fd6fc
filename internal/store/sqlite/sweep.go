package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// sweepBatches bounds the batches that one commit of a sweep changes.
const sweepBatches = 16

// sweepScan bounds the keys that one commit of a sweep removes.
const sweepScan = 2000

// sweeping is what a sweep removes: records of events delivered up to records,
// payloads of those delivered up to payloads; 0 keeps all.
type sweeping struct{ records, payloads int64 }

// Sweep implements [contract.Store].
func (s *Store) Sweep(ctx context.Context, r contract.Retention) (swept contract.Swept, err error) {
	now := s.writer.now()
	if r.Metadata > 0 && r.Metadata < r.Payload {
		r.Metadata = r.Payload
	}
	w := sweeping{records: cutoff(now, r.Metadata), payloads: cutoff(now, r.Payload)}
	if err := s.sweepEvents(ctx, w, &swept); err != nil {
		return swept, fmt.Errorf("sweep events: %w", err)
	}
	if r.Metadata > 0 {
		if err := s.sweepRegister(ctx, r.Metadata, &swept); err != nil {
			return swept, fmt.Errorf("sweep register: %w", err)
		}
	}
	if err := s.sweepKeys(ctx, &swept); err != nil {
		return swept, err
	}
	return swept, s.sweepIDs(ctx, &swept)
}

// cutoff is the moment before which what has ended is too old; 0 if age is.
func cutoff(now time.Time, age time.Duration) int64 {
	if age <= 0 {
		return 0
	}
	return now.Add(-age).UnixMicro()
}

// sweepEvents walks the batches that retention may touch, some at a time.
func (s *Store) sweepEvents(ctx context.Context, w sweeping, swept *contract.Swept) error {
	for from := int64(0); w.records > 0 || w.payloads > 0; {
		var found []int64
		if err := s.read(ctx, func(c *conn) (err error) {
			found, from, err = c.sweepable(w, from)
			return err
		}); err != nil {
			return err
		}
		if len(found) == 0 {
			return nil
		}
		var n contract.Swept
		if err := s.write(ctx, "remove old events", func(*task) func(*txn) error {
			return func(tx *txn) (err error) {
				n, err = tx.sweep(found, w)
				return err
			}
		}); err != nil {
			return err
		}
		swept.Records += n.Records
		swept.Payloads += n.Payloads
	}
	return nil
}

// sweepable finds batches from a number on in which there is something to
// remove, and says where to go on. Events are accepted before they are
// delivered, so the walk ends at the first batch accepted too late.
func (c *conn) sweepable(w sweeping, from int64) (found []int64, next int64, err error) {
	// Most batches have lost their payloads and wait for their records to be old
	// enough; those are passed over without a look at their events.
	const query = `SELECT first, (SELECT min(ended) FROM progress p WHERE p.seq BETWEEN b.first AND b.first + b.n - 1 AND p.state = 1)
		FROM batches b WHERE first >= ? AND open < n AND accepted <= ?
			AND (accepted <= ? OR EXISTS (SELECT 1 FROM bodies o WHERE o.first = b.first)) ORDER BY first`
	stmt, err := c.Prepare(query)
	if err != nil {
		return nil, from, err
	}
	defer stmt.Reset()
	stmt.BindInt64(1, from)
	stmt.BindInt64(2, max(w.records, w.payloads))
	stmt.BindInt64(3, w.records)
	for len(found) < sweepBatches {
		row, err := stmt.Step()
		if err != nil || !row {
			return found, from, err
		}
		first, oldest := stmt.ColumnInt64(0), stmt.ColumnInt64(1)
		from = first + 1
		if oldest != 0 && oldest <= max(w.records, w.payloads) {
			found = append(found, first)
		}
	}
	return found, from, nil
}

// sweep removes from batches what is too old.
func (tx *txn) sweep(batches []int64, w sweeping) (swept contract.Swept, err error) {
	for _, first := range batches {
		n, err := tx.sweepBatch(first, w)
		if err != nil {
			return swept, err
		}
		swept.Records += n.Records
		swept.Payloads += n.Payloads
	}
	if swept.Records == 0 {
		return swept, nil
	}
	// Sequence numbers must not be given out again when the newest record goes.
	return swept, tx.setMeta("seq", tx.w.seq)
}

func (tx *txn) sweepBatch(first int64, w sweeping) (swept contract.Swept, err error) {
	tx.w.shelf.drop(first)
	v, err := tx.volume(first, true)
	if err != nil {
		return swept, err
	}
	steps, err := readProgress(tx.w.stmts.readProgress, first, v.n)
	if err != nil {
		return swept, err
	}
	left := 0 // records that stay
	for i := range steps {
		p, t := &steps[i], &v.traits[i]
		if p.state == rowDelivered && p.ended <= max(w.payloads, w.records) && !t.bare && v.body != nil {
			t.bare = true
			swept.Payloads++
		}
		if p.state == rowDelivered && p.ended <= w.records {
			if err := tx.purge(v, i, p); err != nil {
				return swept, err
			}
			swept.Records++
			p.state = rowGone
		}
		if p.state != rowGone {
			left++
		}
	}
	switch {
	case left == 0:
		return swept, tx.removeBatch(v)
	case swept == contract.Swept{}:
		return swept, nil
	case v.body == nil && swept.Records == 0:
		return swept, nil
	}
	return swept, tx.repack(v)
}

// purge removes one record and books it as removed.
func (tx *txn) purge(v *volume, i int, p *progress) error {
	t := &v.traits[i]
	if err := tx.keepID(v, t); err != nil {
		return err
	}
	*t = traits{lane: t.lane, gone: true, bare: true}
	seq := v.first + int64(i)
	if err := execute(tx.w.conn, `INSERT INTO purges (route, delivered, redelivered) VALUES (?, 1, ?)
		ON CONFLICT (route) DO UPDATE SET delivered = delivered + 1, redelivered = redelivered + excluded.redelivered`, v.route, p.redelivered); err != nil {
		return fmt.Errorf("count record: %w", err)
	}
	if err := execute(tx.w.conn, "UPDATE progress SET state = 3, redelivered = 0, attempts = 0, ended = 0 WHERE seq = ?", seq); err != nil {
		return fmt.Errorf("remove record: %w", err)
	}
	if err := execute(tx.w.conn, "DELETE FROM attempts WHERE seq = ?", seq); err != nil {
		return fmt.Errorf("remove history: %w", err)
	}
	return nil
}

// removeBatch removes a batch of which no record is left.
func (tx *txn) removeBatch(v *volume) error {
	tx.w.shelf.drop(v.first)
	for _, query := range []string{
		"DELETE FROM progress WHERE seq BETWEEN ?1 AND ?2", "DELETE FROM batches WHERE first = ?1",
		"DELETE FROM traits WHERE first = ?1", "DELETE FROM bodies WHERE first = ?1",
	} {
		stmt, err := tx.w.conn.Prepare(query)
		if err != nil {
			return err
		}
		stmt.BindInt64(1, v.first)
		if stmt.BindParamCount() > 1 {
			stmt.BindInt64(2, v.first+int64(v.n)-1)
		}
		if _, err := step(stmt); err != nil {
			return fmt.Errorf("remove batch: %w", err)
		}
	}
	return nil
}
