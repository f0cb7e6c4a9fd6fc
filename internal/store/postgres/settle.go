package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

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

// runSettles settles a group of calls in one transaction.
func (s *Store) runSettles(ctx context.Context, calls []*call[*settleCall]) error {
	ids, err := s.numberFollowers(ctx, calls)
	if err != nil {
		return err
	}
	in := endsOf(calls)
	var woken map[string]bool
	err = s.write(ctx, "settle claims", func(ctx context.Context, conn *pgx.Conn) error {
		woken = map[string]bool{}
		settled, err := s.settle(ctx, conn, in, woken)
		if err != nil {
			return err
		}
		follow := newArrivals(ids)
		var entered []*delivery.Settlement // for the audit trail
		for _, c := range calls {
			c.err, c.item.stale = nil, nil
			for i := range c.item.settlements {
				st := &c.item.settlements[i]
				if settled[st.Seq] != st.Token || st.Token == 0 {
					c.item.stale = append(c.item.stale, *st)
					continue
				}
				delete(settled, st.Seq) // a second settlement of the claim is stale
				followed(follow, st)
				if s.cfg.Trail.Any() {
					entered = append(entered, st)
				}
			}
		}
		if err := s.trailSettled(ctx, conn, entered); err != nil {
			return err
		}
		return s.storeFollowers(ctx, conn, follow, woken)
	})
	if err == nil {
		s.wakes.everywhere(slices.Collect(maps.Keys(woken))...)
	}
	return err
}

// followed adds what a settlement brings about.
func followed(follow *arrivals, st *delivery.Settlement) {
	for i := range st.Follow {
		remember := contract.FollowMemory
		if st.Follow[i].ID == "" {
			remember = 0
		}
		follow.add(&st.Follow[i], nil, remember)
	}
}

func (s *Store) storeFollowers(ctx context.Context, conn *pgx.Conn, follow *arrivals, woken map[string]bool) error {
	if len(follow.all) == 0 {
		return nil
	}
	if err := follow.remember(ctx, s, conn); err != nil {
		return fmt.Errorf("look up ids: %w", err)
	}
	rows, books, batch := s.newRows(), newBooks(), &pgx.Batch{}
	follow.settle(rows, books)
	for name := range rows.names {
		woken[name] = true
	}
	if err := rows.store(ctx, s, conn, batch); err != nil {
		return err
	}
	books.queue(s, batch)
	return conn.SendBatch(ctx, batch).Close()
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

// ends are settlements as columns.
type ends struct {
	first        map[ended]bool
	seqs, tokens []int64
	does         []int16
	dues         []*time.Time

	failed failures
}

// ended is what a settlement is of.
type ended struct{ seq, token int64 }

// failures are the failed attempts among settlements, as columns.
type failures struct {
	seqs, tokens      []int64
	started, ended    []*time.Time
	verdict, happened []int16
	status            []int32
	after             []int64
	reason, hint      []string
}

func newEnds() *ends { return &ends{first: map[ended]bool{}} }

// endsOf gathers the settlements of calls, by rising seq.
func endsOf(calls []*call[*settleCall]) *ends {
	var all []*delivery.Settlement
	for _, c := range calls {
		for i := range c.item.settlements {
			all = append(all, &c.item.settlements[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *delivery.Settlement) int { return cmp.Compare(a.Seq, b.Seq) })
	e := newEnds()
	for _, st := range all {
		e.add(st)
	}
	return e
}

// add takes a settlement. Of several settlements of one claim the first counts.
func (e *ends) add(st *delivery.Settlement) {
	key := ended{st.Seq, st.Token}
	if e.first[key] || st.Token == 0 {
		return
	}
	e.first[key] = true
	e.seqs, e.tokens = append(e.seqs, st.Seq), append(e.tokens, st.Token)
	e.does, e.dues = append(e.does, int16(st.Do)), append(e.dues, nullable(st.Due))
	if st.Do == delivery.Dead || st.Do == delivery.Again {
		e.failed.add(st)
	}
}

func (f *failures) add(st *delivery.Settlement) {
	o := &st.Outcome
	f.seqs, f.tokens = append(f.seqs, st.Seq), append(f.tokens, st.Token)
	f.started, f.ended = append(f.started, nullable(st.Started)), append(f.ended, nullable(st.Ended))
	f.verdict, f.happened = append(f.verdict, int16(o.Verdict)), append(f.happened, int16(o.Happened))
	f.status, f.after = append(f.status, int32(o.Status)), append(f.after, int64(o.After))
	f.reason, f.hint = append(f.reason, text(o.Reason)), append(f.hint, text(o.Hint))
}

// settleQuery settles what the tokens hold. A row that is claimed again meanwhile
// has another token by then and is left out. The dispositions are those of
// [delivery.Disposition]: 0 done, 1 again, 2 dead, 3 release. Rows are changed in the
// order of the input, which is by seq.
//
// A released claim leaves the row as if it had never been: attempts and
// redeliveries are as many as before. A lane is free when its whole run is settled; a
// token that was not a hold's is none of any lane's.
const settleQuery = `
WITH input AS MATERIALIZED (
	SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::timestamptz[]) AS i (seq, token, does, due)
), gone AS (
	DELETE FROM @queue q USING input i WHERE q.seq = i.seq AND (q.hold = i.token OR q.claim = i.token) AND i.does IN (0, 2)
	RETURNING q.seq, q.route, q.lane, q.attempts, q.redelivered, q.unanswered, i.token, i.does
), back AS (
	UPDATE @queue q SET due = coalesce(i.due, '-infinity'), claim = 0, hold = 0, owner = '',
		attempts = q.attempts - (i.does = 3)::integer,
		redelivered = q.redelivered - (i.does = 3 AND q.unanswered)::integer
	FROM input i WHERE q.seq = i.seq AND (q.hold = i.token OR q.claim = i.token) AND i.does NOT IN (0, 2)
	RETURNING q.seq, q.route, q.lane, q.attempts, q.redelivered, q.unanswered, i.token, i.does
), held AS MATERIALIZED (
	SELECT * FROM gone UNION ALL SELECT * FROM back
), over AS (
	INSERT INTO @ended (seq, route, state, ended, attempts, redelivered, unanswered)
	SELECT seq, route, CASE does WHEN 0 THEN 1 ELSE 2 END, coalesce($5::timestamptz, now()), attempts, redelivered, unanswered
	FROM held WHERE does IN (0, 2)
), freed AS (
	UPDATE @lanes l SET holding = l.holding - h.n
	FROM (SELECT route, lane, token, count(*) AS n FROM held GROUP BY route, lane, token ORDER BY route, lane) h
	WHERE l.route = h.route AND l.lane = h.lane AND l.token = h.token
), tries AS (
	INSERT INTO @attempts (seq, claim, number, started, ended, verdict, status, happened, after, reason, hint)
	SELECT f.seq, f.token, h.attempts, f.started, f.ended, f.verdict, f.status, f.happened, f.after, f.reason, f.hint
	FROM unnest($7::bigint[], $8::bigint[], $9::timestamptz[], $10::timestamptz[], $11::smallint[], $12::integer[], $13::smallint[],
		$14::bigint[], $15::text[], $16::text[])
		AS f (seq, token, started, ended, verdict, status, happened, after, reason, hint)
	JOIN held h ON h.seq = f.seq AND h.token = f.token
), booked AS (
	INSERT INTO @ledger AS l (route, shard, accepted, delivered, dead, redelivered, filtered, duplicates)
	SELECT route, $6::smallint, 0, count(*) FILTER (WHERE does = 0), count(*) FILTER (WHERE does = 2),
		-count(*) FILTER (WHERE does = 3 AND unanswered), 0, 0 FROM held GROUP BY route ORDER BY route
	ON CONFLICT (route, shard) DO UPDATE SET delivered = l.delivered + excluded.delivered,
		dead = l.dead + excluded.dead, redelivered = l.redelivered + excluded.redelivered
)
SELECT h.seq, h.token, r.name FROM held h JOIN @routes r ON r.id = h.route`

// settle settles, and returns the tokens of what was settled by seq.
func (s *Store) settle(ctx context.Context, conn *pgx.Conn, in *ends, woken map[string]bool) (map[int64]int64, error) {
	f := &in.failed
	rows, err := conn.Query(ctx, s.q(settleQuery), in.seqs, in.tokens, in.does, in.dues, s.now(), shard(),
		f.seqs, f.tokens, f.started, f.ended, f.verdict, f.status, f.happened, f.after, f.reason, f.hint)
	if err != nil {
		return nil, err
	}
	settled := make(map[int64]int64, len(in.seqs))
	var seq, token int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&seq, &token, &name}, func() error {
		settled[seq] = token
		woken[untext(name)] = true
		return nil
	})
	return settled, err
}
