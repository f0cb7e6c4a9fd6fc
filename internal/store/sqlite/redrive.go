package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// redriveStep bounds the dead letters that one commit moves.
const redriveStep = 1000

// Redrive implements [delivery.Queue]. It moves what is dead when it begins, in
// steps; an error leaves the steps done so far, and their number is returned
// with it.
func (s *Store) Redrive(ctx context.Context, f delivery.DeadFilter) (int, error) {
	var seqs []int64
	if err := s.read(ctx, func(c *conn) (err error) {
		seqs, err = c.deadLetters(f)
		return err
	}); err != nil {
		return 0, fmt.Errorf("find dead letters: %w", err)
	}
	moved := 0
	for step := range slices.Chunk(seqs, redriveStep) {
		n := 0
		err := s.write(ctx, "redrive dead letters", func(*task) func(*txn) error {
			return func(tx *txn) (err error) {
				n, err = tx.redrive(step, f.By)
				return err
			}
		})
		if err != nil {
			return moved, err
		}
		moved += n
	}
	return moved, nil
}

// deadLetters returns the sequence numbers of the dead letters that f selects.
func (c *conn) deadLetters(f delivery.DeadFilter) (seqs []int64, err error) {
	query := "SELECT seq FROM progress INDEXED BY progress_dead WHERE state = 2"
	var args []any
	if f.Route != "" {
		query += " AND route = (SELECT id FROM routes WHERE name = ?)"
		args = append(args, f.Route)
	}
	if err := c.query(query+" ORDER BY seq", args, func(r row) { seqs = append(seqs, r.ColumnInt64(0)) }); err != nil || len(f.IDs) == 0 {
		return seqs, err
	}
	wanted := make(map[string]bool, len(f.IDs))
	for _, id := range f.IDs {
		wanted[id] = true
	}
	var failed error
	seqs = slices.DeleteFunc(seqs, func(seq int64) bool {
		v, i, err := c.volumeOf(seq)
		if err != nil {
			failed = err
			return true
		}
		return !wanted[v.traits[i].id]
	})
	return seqs, failed
}

// redrive moves those of seqs that are still dead.
func (tx *txn) redrive(seqs []int64, by string) (moved int, err error) {
	stmt, err := tx.w.conn.Prepare(`UPDATE progress SET state = 0, claim = 0, attempts = 0, due = 0, ended = 0
		WHERE seq = ? AND state = 2 RETURNING route`)
	if err != nil {
		return 0, err
	}
	for _, seq := range seqs {
		stmt.BindInt64(1, seq)
		route, err := stepInt(stmt)
		if err != nil {
			return moved, fmt.Errorf("revive event: %w", err)
		}
		if route == 0 {
			continue
		}
		first, err := resultInt(tx.w.conn, batchOfQuery, seq)
		if err != nil {
			return moved, fmt.Errorf("find batch: %w", err)
		}
		if err := tx.trailRedriven(route, seq, first, by); err != nil {
			return moved, err
		}
		moved++
		tx.of(route).dead--
		tx.settleOf(first, 1)
		// The events come before others in their lanes: memory begins anew.
		if r := tx.w.rooms.byRoute[route]; r != nil {
			r.stale = true
		}
	}
	return moved, nil
}
