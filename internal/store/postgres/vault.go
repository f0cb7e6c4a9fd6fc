package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var _ contract.Vault = (*Store)(nil)

// Payloads implements [contract.Vault].
func (s *Store) Payloads(ctx context.Context, from int64, limit int) (page []contract.Payload, next int64, err error) {
	err = s.read(ctx, "read payloads", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q(`SELECT p.seq, r.name, e.id, p.data FROM @payloads p JOIN @events e ON e.seq = p.seq JOIN @routes r ON r.id = e.route
			WHERE p.seq >= $1 ORDER BY p.seq LIMIT $2`), from, max(limit, 1))
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p contract.Payload, err error) {
			err = row.Scan(&p.Seq, &p.Route, &p.ID, &p.Data)
			p.Route, p.ID = untext(p.Route), untext(p.ID)
			return p, err
		})
		return err
	})
	if n := len(page); n >= limit && n > 0 {
		next = page[n-1].Seq + 1
	}
	return page, next, err
}

// Replace implements [contract.Vault].
func (s *Store) Replace(ctx context.Context, payloads []contract.Payload) error {
	if err := s.writable("replace payloads"); err != nil {
		return err
	}
	seqs, data := make([]int64, len(payloads)), make([][]byte, len(payloads))
	for i, p := range payloads {
		seqs[i], data[i] = p.Seq, p.Data
	}
	return s.write(ctx, "replace payloads", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.q(`UPDATE @payloads p SET data = i.data FROM unnest($1::bigint[], $2::bytea[]) AS i (seq, data) WHERE p.seq = i.seq`), seqs, data)
		return err
	})
}

// Answers implements [contract.Vault].
func (s *Store) Answers(ctx context.Context, see func(answer []byte)) error {
	return s.read(ctx, "read kept answers", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.q("SELECT answer FROM @keys WHERE answer IS NOT NULL AND expires > coalesce($1::timestamptz, now())"), s.now())
		if err != nil {
			return err
		}
		var answer []byte
		_, err = pgx.ForEachRow(rows, []any{&answer}, func() error { see(answer); return nil })
		return err
	})
}
