package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// settleLimit bounds the settlements of one transaction.
const settleLimit = 5000

// followSize is how many bytes of what settlements bring about count as one.
const followSize = appendLimit / settleLimit

// settleCall is a settlement of claims on its way into a group.
type settleCall struct {
	settlements []delivery.Settlement
	stale       []delivery.Settlement
}

// Settle implements [delivery.Queue].
func (s *Store) Settle(ctx context.Context, settlements []delivery.Settlement) (stale []delivery.Settlement, err error) {
	if err := s.writable("settle claims"); err != nil {
		return nil, err
	}
	if len(settlements) == 0 {
		return nil, nil
	}
	c := &settleCall{settlements: append([]delivery.Settlement{}, settlements...)}
	size := len(settlements)
	for i := range settlements {
		for _, e := range settlements[i].Follow {
			size += 1 + len(e.Data)/followSize
		}
	}
	if err := s.settles.do(ctx, c, size); err != nil {
		return nil, err
	}
	return c.stale, nil
}

// held is a claimed row locked for its settlement.
type held struct {
	route, attempts int32
	name            string
	token           int64
	unanswered      bool
}

// runSettles settles a group of calls in one transaction.
func (s *Store) runSettles(ctx context.Context, calls []*call[*settleCall]) error {
	ids, err := s.numberFollowers(ctx, calls)
	if err != nil {
		return err
	}
	var w *settling
	err = s.write(ctx, "settle claims", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := s.lockHeld(ctx, conn, calls)
		if err != nil {
			return fmt.Errorf("lock claims: %w", err)
		}
		w = newSettling(rows, ids)
		for _, c := range calls {
			c.err, c.item.stale = nil, nil
			for _, st := range c.item.settlements {
				if !w.add(st) {
					c.item.stale = append(c.item.stale, st)
				}
			}
		}
		if err := w.follow.remember(ctx, s, conn); err != nil {
			return fmt.Errorf("look up ids: %w", err)
		}
		followers := newEventRows()
		w.follow.settle(followers, w.books)
		for name := range followers.names {
			w.routes[name] = true
		}
		batch := &pgx.Batch{}
		followers.queue(s, batch)
		w.queue(s, batch)
		return conn.SendBatch(ctx, batch).Close()
	})
	if err == nil {
		s.wakes.everywhere(slices.Collect(maps.Keys(w.routes))...)
	}
	return err
}

// numberFollowers looks up the routes and kinds of what settlements bring about.
func (s *Store) numberFollowers(ctx context.Context, calls []*call[*settleCall]) (numberOf, error) {
	ids := newNumbers()
	for _, c := range calls {
		for i := range c.item.settlements {
			follow := c.item.settlements[i].Follow
			for j := range follow {
				if err := s.numberEvent(ctx, &ids, &follow[j]); err != nil {
					return ids, err
				}
			}
		}
	}
	return ids, nil
}

// lockHeld locks the rows that the settlements' tokens hold. A row that is
// claimed again meanwhile has another token by then and is left out.
func (s *Store) lockHeld(ctx context.Context, conn *pgx.Conn, calls []*call[*settleCall]) (map[int64]*held, error) {
	var seqs, tokens []int64
	for _, c := range calls {
		for _, st := range c.item.settlements {
			seqs, tokens = append(seqs, st.Seq), append(tokens, st.Token)
		}
	}
	rows, err := conn.Query(ctx, s.q(`
		SELECT q.seq, q.claim, q.route, r.name, q.attempts, q.unanswered FROM @queue q JOIN @routes r ON r.id = q.route
		WHERE q.seq = ANY ($1::bigint[]) AND q.claim = ANY ($2::bigint[]) AND q.claim <> 0 ORDER BY q.seq FOR UPDATE OF q`), seqs, tokens)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]*held, len(seqs))
	var seq int64
	var h held
	_, err = pgx.ForEachRow(rows, []any{&seq, &h.token, &h.route, &h.name, &h.attempts, &h.unanswered}, func() error {
		row := h
		row.name = untext(h.name)
		found[seq] = &row
		return nil
	})
	return found, err
}

// settling gathers what a transaction writes.
type settling struct {
	rows  map[int64]*held
	books *books

	ended  []int64 // delivered and dead
	states []int16

	back     []int64 // waiting again
	dues     []any
	released []bool

	failed []delivery.Settlement
	claims map[int64]*held
	routes map[string]bool // to be woken
	follow *arrivals
}

func newSettling(rows map[int64]*held, ids numberOf) *settling {
	return &settling{rows: rows, books: newBooks(), claims: map[int64]*held{}, routes: map[string]bool{}, follow: newArrivals(ids)}
}

// add takes a settlement; false if it is stale.
func (w *settling) add(st delivery.Settlement) bool {
	h := w.rows[st.Seq]
	if h == nil || h.token != st.Token {
		return false
	}
	delete(w.rows, st.Seq) // a second settlement of the claim is stale
	w.routes[h.name] = true
	for i := range st.Follow {
		remember := contract.FollowMemory
		if st.Follow[i].ID == "" {
			remember = 0
		}
		w.follow.add(&st.Follow[i], nil, remember)
	}
	switch st.Do {
	case delivery.Done:
		w.end(st.Seq, stateDelivered)
		w.books.of(h.route).delivered++
	case delivery.Dead:
		w.end(st.Seq, stateDead)
		w.books.of(h.route).dead++
		w.fail(st, h)
	case delivery.Again:
		w.wait(st, false)
		w.fail(st, h)
	default:
		w.wait(st, true)
		if h.unanswered {
			w.books.of(h.route).redelivered--
		}
	}
	return true
}

func (w *settling) end(seq int64, state int16) {
	w.ended, w.states = append(w.ended, seq), append(w.states, state)
}

func (w *settling) wait(st delivery.Settlement, released bool) {
	var due any
	if !st.Due.IsZero() {
		due = st.Due
	}
	w.back, w.dues, w.released = append(w.back, st.Seq), append(w.dues, due), append(w.released, released)
}

func (w *settling) fail(st delivery.Settlement, h *held) {
	w.failed = append(w.failed, st)
	w.claims[st.Seq] = h
}

func (w *settling) queue(s *Store, batch *pgx.Batch) {
	if len(w.ended) > 0 {
		batch.Queue(s.q(`
			WITH gone AS (
				DELETE FROM @queue q USING unnest($1::bigint[], $2::smallint[]) AS i (seq, state) WHERE q.seq = i.seq
				RETURNING q.seq, q.route, i.state, q.attempts, q.redelivered, q.unanswered
			)
			INSERT INTO @ended (seq, route, state, ended, attempts, redelivered, unanswered)
			SELECT seq, route, state, coalesce($3::timestamptz, now()), attempts, redelivered, unanswered FROM gone`),
			w.ended, w.states, s.now())
	}
	if len(w.back) > 0 {
		// A released claim leaves the row as if it had never been: attempts and
		// redeliveries are as many as before.
		batch.Queue(s.q(`
			UPDATE @queue q SET due = coalesce(i.due, '-infinity'), claim = 0, owner = '',
				attempts = q.attempts - i.released::integer,
				redelivered = q.redelivered - (i.released AND q.unanswered)::integer
			FROM unnest($1::bigint[], $2::timestamptz[], $3::boolean[]) AS i (seq, due, released) WHERE q.seq = i.seq`),
			w.back, w.dues, w.released)
	}
	for _, st := range w.failed {
		h := w.claims[st.Seq]
		o := st.Outcome
		batch.Queue(s.q(`
			INSERT INTO @attempts (seq, claim, number, started, ended, verdict, status, happened, after, reason, hint)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`),
			st.Seq, h.token, h.attempts, nullable(st.Started), nullable(st.Ended),
			int16(o.Verdict), int32(o.Status), int16(o.Happened), int64(o.After), text(o.Reason), text(o.Hint))
	}
	w.books.queue(s, batch)
}
