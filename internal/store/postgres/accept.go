package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var _ route.Intake = (*Store)(nil)

// acceptCall is a call of Accept on its way into a group.
type acceptCall struct {
	arrivals []route.Arrival
	receipts []route.Receipt
}

// Accept implements [route.Intake]. Duplicates are counted in the ledger of
// their route; conflicts are not.
func (s *Store) Accept(ctx context.Context, handed []route.Arrival) ([]route.Receipt, error) {
	if err := s.writable("accept arrivals"); err != nil {
		return nil, err
	}
	if err := contract.CheckArrivals(handed); err != nil || len(handed) == 0 {
		return []route.Receipt{}, err
	}
	// The group may outlive a caller whose ctx is done.
	c, size := &acceptCall{arrivals: slices.Clone(handed)}, 0
	for i := range c.arrivals {
		a := &c.arrivals[i]
		a.Event.Data, a.Digest = append([]byte{}, a.Event.Data...), bytes.Clone(a.Digest)
		size += len(a.Event.Data) + arrivalSize
	}
	if err := s.accepts.do(ctx, c, size); err != nil {
		return nil, err
	}
	return c.receipts, nil
}

// arrivalSize stands for what an arrival weighs beside its payload.
const arrivalSize = 200

// runAccepts stores a group of arrivals in one transaction.
func (s *Store) runAccepts(ctx context.Context, calls []*call[*acceptCall]) error {
	ids := newNumbers()
	for _, c := range calls {
		for i := range c.item.arrivals {
			if err := s.numberEvent(ctx, &ids, &c.item.arrivals[i].Event); err != nil {
				return err
			}
		}
	}
	var stored *eventRows
	err := s.write(ctx, "accept arrivals", func(ctx context.Context, conn *pgx.Conn) error {
		in := newArrivals(ids)
		for _, c := range calls {
			for i := range c.item.arrivals {
				a := &c.item.arrivals[i]
				in.add(&a.Event, a.Digest, a.Remember)
			}
		}
		if err := in.remember(ctx, s, conn); err != nil {
			return fmt.Errorf("look up ids: %w", err)
		}
		rows, books := s.newRows(), newBooks()
		receipts := in.settle(rows, books)
		now, err := s.storeArrivals(ctx, conn, rows, books)
		if err != nil {
			return err
		}
		for i := range receipts {
			if receipts[i].Accepted.IsZero() {
				receipts[i].Accepted = now
			}
		}
		for _, c := range calls {
			n := len(c.item.arrivals)
			c.item.receipts, receipts = receipts[:n:n], receipts[n:]
		}
		stored = rows
		return nil
	})
	if err == nil {
		s.stored(stored)
	}
	return err
}

// storeArrivals writes events and books, and returns the time of the transaction.
func (s *Store) storeArrivals(ctx context.Context, conn *pgx.Conn, rows *eventRows, books *books) (now time.Time, err error) {
	batch := &pgx.Batch{}
	if err := rows.store(ctx, s, conn, batch); err != nil {
		return now, err
	}
	batch.Queue("SELECT coalesce($1::timestamptz, now())", s.now()).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	books.queue(s, batch)
	err = conn.SendBatch(ctx, batch).Close()
	return now.UTC(), err
}
