package sqlite

import (
	"context"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var _ contract.Vault = (*Store)(nil)

// Payloads implements [contract.Vault]. A page ends with a batch.
func (a *archive) Payloads(ctx context.Context, from int64, limit int) (page []contract.Payload, next int64, err error) {
	err = a.read(ctx, func(c *conn) error {
		page, next = nil, 0
		return c.walk("SELECT first FROM batches WHERE first + n > ? ORDER BY first", []any{from}, func(v *volume, _ []progress) (bool, error) {
			route, err := c.route(v.route)
			if err != nil {
				return false, err
			}
			for i := range v.traits {
				data, err := c.payload(v, i)
				if err != nil {
					return false, err
				}
				if seq := v.first + int64(i); data != nil && !v.traits[i].gone && seq >= from {
					page = append(page, contract.Payload{Seq: seq, Route: route, ID: v.traits[i].id, Data: data})
				}
			}
			if len(page) < limit {
				return true, nil
			}
			next = v.first + int64(v.n)
			return false, nil
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read payloads: %w", err)
	}
	return page, next, nil
}

// Replace implements [contract.Vault].
func (s *Store) Replace(ctx context.Context, payloads []contract.Payload) error {
	return s.write(ctx, "replace payloads", func(*task) func(*txn) error {
		return func(tx *txn) error {
			for len(payloads) > 0 {
				n, err := tx.replace(payloads)
				if err != nil {
					return err
				}
				payloads = payloads[n:]
			}
			return nil
		}
	})
}

// replace writes the batch of the first payload with it and those that follow it in
// the batch, and returns how many those are.
func (tx *txn) replace(payloads []contract.Payload) (n int, err error) {
	first, err := resultInt(tx.w.conn, batchOfQuery, payloads[0].Seq)
	if err != nil {
		return 0, fmt.Errorf("find batch: %w", err)
	}
	if first == 0 {
		return 1, nil
	}
	tx.w.shelf.drop(first) // what is read now is changed
	v, err := readVolume(tx.w.stmts.readBatch, first)
	if err == nil {
		err = v.open(tx.w.stmts.readBody)
	}
	if err != nil {
		return 0, err
	}
	fresh := make(map[int][]byte, len(payloads))
	for ; n < len(payloads) && payloads[n].Seq >= first && payloads[n].Seq < first+int64(v.n); n++ {
		fresh[int(payloads[n].Seq-first)] = payloads[n].Data
	}
	if n == 0 || v.body == nil {
		return max(n, 1), nil
	}
	v.exchange(fresh)
	return n, tx.repack(v)
}

// exchange puts payloads in the place of those that are there.
func (v *volume) exchange(fresh map[int][]byte) {
	body := make([]byte, 0, len(v.body))
	for i := range v.traits {
		t := &v.traits[i]
		data := v.body[t.at : t.at+t.size]
		if t.bare {
			data = nil
		} else if other, ok := fresh[i]; ok {
			data = other
		}
		t.at, t.size = len(body), len(data)
		body = append(body, data...)
	}
	v.body = body
}

// Answers implements [contract.Vault].
func (a *archive) Answers(ctx context.Context, see func(answer []byte)) error {
	err := a.read(ctx, func(c *conn) error {
		return c.query("SELECT answer FROM keys WHERE answer IS NOT NULL AND expires > ?", []any{a.now().UnixMicro()}, func(r row) {
			see(columnBytes(r.Stmt, 0))
		})
	})
	if err != nil {
		return fmt.Errorf("read kept answers: %w", err)
	}
	return nil
}
