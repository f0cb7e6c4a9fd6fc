package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// held returns the entry that a claim's token holds, also past the end of its
// lease as long as nobody else has claimed it; nil if there is none.
func (rs *rooms) held(seq, token int64) *entry {
	if e := rs.flying[seq]; e != nil && e.token == token && !e.settled {
		return e
	}
	return nil
}

// Settle implements [delivery.Queue].
func (s *Store) Settle(ctx context.Context, settlements []delivery.Settlement) (stale []delivery.Settlement, err error) {
	// In sequence, neighbours are written with one statement.
	ordered := slices.SortedFunc(slices.Values(settlements), func(a, b delivery.Settlement) int { return cmp.Compare(a.Seq, b.Seq) })
	err = s.write(ctx, "settle claims", func(*task) func(*txn) error {
		return func(tx *txn) (err error) {
			stale, err = tx.settle(ordered)
			return err
		}
	})
	return stale, err
}

func (tx *txn) settle(settlements []delivery.Settlement) (stale []delivery.Settlement, err error) {
	var done []int64 // a dense stretch of delivered events not yet written
	for _, st := range settlements {
		e := tx.w.rooms.held(st.Seq, st.Token)
		if e == nil {
			stale = append(stale, st)
			continue
		}
		if err := tx.trailSettled(e, &st); err != nil {
			return nil, err
		}
		if err := tx.follow(st.Follow); err != nil {
			return nil, fmt.Errorf("accept followers: %w", err)
		}
		if st.Do == delivery.Done {
			if len(done) > 0 && done[len(done)-1]+1 != st.Seq {
				if err := tx.delivered(done); err != nil {
					return nil, err
				}
				done = done[:0]
			}
			done = append(done, st.Seq)
			tx.of(e.room.route).delivered++
			tx.settleOf(e.batch, -1)
		} else if err := tx.undelivered(e, st); err != nil {
			return nil, fmt.Errorf("write settlement: %w", err)
		}
		tx.leave(e, st)
	}
	return stale, tx.delivered(done)
}

// delivered writes the delivery of consecutive events.
func (tx *txn) delivered(seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	s := tx.w.stmts.done
	if len(seqs) > 1 {
		s = tx.w.stmts.doneRange
		s.BindInt64(3, seqs[len(seqs)-1])
	}
	s.BindInt64(1, tx.now)
	s.BindInt64(2, seqs[0])
	if _, err := step(s); err != nil {
		return fmt.Errorf("write delivery: %w", err)
	}
	return nil
}

// undelivered writes any end but a delivery.
func (tx *txn) undelivered(e *entry, st delivery.Settlement) error {
	switch st.Do {
	case delivery.Release:
		s := tx.w.stmts.release
		s.BindInt64(1, micros(st.Due))
		s.BindBool(2, e.redelivery)
		s.BindInt64(3, e.seq)
		if e.redelivery {
			tx.of(e.room.route).redelivered--
		}
		_, err := step(s)
		return err
	case delivery.Again:
		s := tx.w.stmts.again
		s.BindInt64(1, micros(st.Due))
		s.BindInt64(2, e.seq)
		if _, err := step(s); err != nil {
			return err
		}
	case delivery.Dead:
		s := tx.w.stmts.dead
		s.BindInt64(1, tx.now)
		s.BindInt64(2, e.seq)
		if _, err := step(s); err != nil {
			return err
		}
		tx.of(e.room.route).dead++
		tx.settleOf(e.batch, -1)
	default:
		return fmt.Errorf("unknown disposition %d", st.Do)
	}
	return tx.record(e, st)
}

// record adds a failed attempt to the history.
func (tx *txn) record(e *entry, st delivery.Settlement) error {
	s := tx.w.stmts.attempt
	for i, n := range [...]int64{
		e.seq, e.token, int64(e.attempts), micros(st.Started), micros(st.Ended),
		int64(st.Outcome.Verdict), int64(st.Outcome.Status), int64(st.Outcome.Happened), int64(st.Outcome.After),
	} {
		s.BindInt64(i+1, n)
	}
	s.BindText(10, st.Outcome.Reason)
	s.BindText(11, st.Outcome.Hint)
	_, err := step(s)
	return err
}

// leave takes a settled entry out of its line, and lets it wait again if that
// is how it ended.
func (tx *txn) leave(e *entry, st delivery.Settlement) {
	e.settled = true
	tx.settled = append(tx.settled, e)
	current := e.generation == e.room.generation && !e.room.stale
	if !current {
		return
	}
	if st.Do == delivery.Done || st.Do == delivery.Dead {
		e.room.line.drop(e)
		return
	}
	e.room.line.replace(e, again(e, st))
}

// again is the entry that waits for the next attempt. It is a copy, because a
// failed commit brings the old one back.
func again(e *entry, st delivery.Settlement) *entry {
	n := &entry{
		seq: e.seq, batch: e.batch, touched: true, lane: e.lane, attempts: e.attempts, unanswered: e.unanswered, accepted: e.accepted,
		due: micros(st.Due), room: e.room, generation: e.generation,
	}
	if st.Do == delivery.Release {
		n.attempts--
	}
	return n
}
