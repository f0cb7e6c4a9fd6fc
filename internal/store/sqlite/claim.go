package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// claim is what a claiming task asks for and got.
type claim struct {
	req delivery.ClaimRequest
	got []delivery.Claimed
}

// Claim implements [delivery.Queue].
func (s *Store) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	req.Max, req.Run = max(req.Max, 1), max(req.Run, 1)
	for {
		t := &task{claim: &claim{req: req}, done: make(chan struct{})}
		if err := s.writer.submit(t); err != nil {
			return nil, fmt.Errorf("claim events: %w", err)
		}
		if err := t.wait(ctx); err != nil {
			return nil, fmt.Errorf("claim events: %w", err)
		}
		if len(t.claim.got) > 0 {
			return t.claim.got, nil
		}
	}
}

// serve gives parked claims what is to be had.
func (tx *txn) serve() error {
	for _, r := range tx.w.rooms.byName {
		for r.waited() {
			if err := tx.ready(r); errors.Is(err, errTraits) {
				tx.refuse(r, err)
				break
			} else if err != nil {
				return err
			}
			if !r.line.ready(tx.now) {
				break
			}
			t := r.parked[0]
			r.parked = r.parked[1:]
			if !t.take() {
				continue
			}
			tx.served = append(tx.served, t)
			if err := tx.hand(r, t.claim); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse answers the parked claims of a room with err: what a damaged record
// hides is no reason to stop other routes.
func (tx *txn) refuse(r *room, err error) {
	for _, t := range r.parked {
		if t.take() {
			t.err = &event.Error{
				Op: "find what comes next", Happened: event.HappenedNo, Healing: event.Permanent,
				Hint: "sallyport audit names the damage; restore the file from a copy", Err: err,
			}
			tx.served = append(tx.served, t)
		}
	}
	r.parked = nil
}

// ready brings a room up to date with the file and the time.
func (tx *txn) ready(r *room) error {
	if r.stale || r.line.lost(tx.now) {
		if err := tx.find(r); err != nil {
			return err
		}
		tx.w.rooms.rebuild(r)
	}
	tx.w.rooms.expire(tx.now)
	if from, rows := r.line.hungry(); rows > 0 {
		return tx.load(r, from, rows)
	}
	return nil
}

// find looks up the route of a room.
func (tx *txn) find(r *room) error {
	if r.route != 0 {
		return nil
	}
	id, err := resultInt(tx.w.conn, "SELECT id FROM routes WHERE name = ?", r.name)
	if err != nil {
		return fmt.Errorf("find route: %w", err)
	}
	if id != 0 {
		r.route = id
		tx.w.rooms.byRoute[id] = r
	}
	return nil
}

// meet takes a row that a load came upon.
func (rs *rooms) meet(r *room, e *entry, now int64) {
	if !r.line.missing(e.seq, e.lane) {
		return
	}
	e.room, e.generation = r, r.generation
	if held := rs.flying[e.seq]; held != nil && held.token == e.token && !held.settled {
		held.generation, held.gone = r.generation, false
		if held.flying {
			r.line.adopt(held)
		} else {
			r.line.admit(held)
		}
		return
	}
	// A claim that nobody holds is one of a process that has ended.
	if e.token != 0 {
		e.unanswered, e.token = true, 0
	}
	if e.due <= now {
		e.due = 0
	}
	r.line.admit(e)
}

// hand claims events for c and writes the start of an attempt on each.
func (tx *txn) hand(r *room, c *claim) error {
	entries := r.line.take(tx.now, c.req.Max, c.req.Run)
	tx.w.token++
	until := tx.now + c.req.Lease.Microseconds()
	rooms := tx.w.rooms
	rooms.expiry = min(rooms.expiry, until)
	for _, e := range entries {
		e.token, e.until, e.flying = tx.w.token, until, true
		e.redelivery = e.unanswered
		e.attempts++
		rooms.flying[e.seq] = e
	}
	tx.taken = append(tx.taken, entries...)
	if err := tx.start(r.route, entries); err != nil {
		return fmt.Errorf("write claim: %w", err)
	}
	c.got = make([]delivery.Claimed, 0, len(entries))
	for _, e := range entries {
		ev := rooms.letGo(e)
		if ev == nil {
			var err error
			if ev, err = tx.read(r.name, e); err != nil {
				return err
			}
		}
		c.got = append(c.got, delivery.Claimed{
			Event: *ev, Seq: e.seq, Lane: e.lane, Attempt: e.attempts, Redelivery: e.redelivery,
			Token: e.token, Accepted: instant(e.accepted),
		})
	}
	return nil
}

// start writes the start of an attempt on each entry: a statement for each
// dense stretch of entries alike, one each for the rest.
func (tx *txn) start(route int64, entries []*entry) error {
	for len(entries) > 0 {
		n := stretch(entries)
		if err := tx.attempt(route, entries[0], n); err != nil {
			return err
		}
		for _, e := range entries[:n] {
			e.touched = true
		}
		entries = entries[n:]
	}
	return nil
}

// stretch returns how many entries one statement can begin.
func stretch(entries []*entry) int {
	first := entries[0]
	n := 1
	for !first.redelivery && n < min(len(entries), numbered) {
		e := entries[n]
		if e.redelivery || e.touched != first.touched || e.seq != first.seq+int64(n) {
			break
		}
		n++
	}
	return n
}

// attempt writes the start of an attempt on n entries, of which e is the first.
func (tx *txn) attempt(route int64, e *entry, n int) error {
	s := tx.w.stmts.claimFresh
	values := []int64{e.seq, route, e.token, int64(n)}
	switch {
	case e.redelivery:
		tx.of(route).redelivered++
		s, values = tx.w.stmts.claimAgain, []int64{e.token, e.seq}
	case e.touched:
		s, values = tx.w.stmts.claim, []int64{e.token, e.seq, e.seq + int64(n) - 1}
	}
	for i, v := range values {
		s.BindInt64(i+1, v)
	}
	_, err := step(s)
	return err
}

// columnBytes copies a blob; nil for NULL.
func columnBytes(s *sqlite.Stmt, col int) []byte {
	if s.ColumnType(col) == sqlite.TypeNull {
		return nil
	}
	b := make([]byte, s.ColumnLen(col))
	s.ColumnBytes(col, b)
	return b
}

// Extend implements [delivery.Queue]. A lease dies with the process that holds
// the file, so its end is kept in memory alone.
func (s *Store) Extend(ctx context.Context, claims []delivery.Claimed, lease time.Duration) (lost []delivery.Claimed, err error) {
	err = s.write(ctx, "extend claims", func(*task) func(*txn) error {
		return func(tx *txn) error {
			lost = nil
			for _, c := range claims {
				if e := tx.w.rooms.held(c.Seq, c.Token); e != nil && e.flying {
					e.until = tx.now + lease.Microseconds()
					tx.w.rooms.expiry = min(tx.w.rooms.expiry, e.until)
					continue
				}
				lost = append(lost, c)
			}
			return nil
		}
	})
	return lost, err
}
