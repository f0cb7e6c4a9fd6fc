-- +goose Up

-- A claim returns what it has claimed by number. The claimer usually knows the events
-- still, because it appended them a moment ago, and reads the others by number: to
-- join, copy and send what is known already was half of what a claim cost.
CREATE TYPE claim_made AS (seq bigint, lane smallint, claim bigint, attempts integer, unanswered boolean, accepted timestamptz);

DROP FUNCTION claim_events(integer, smallint, text, timestamptz, timestamptz, integer);
DROP FUNCTION hold_lanes(integer, smallint, text, timestamptz, timestamptz, integer, integer);
DROP TYPE claimed_event;

-- claim_events claims for an unordered route. Claimers skip rows that others are
-- just claiming. A row that another has claimed between our snapshot and our
-- lock is tested again in its newest version, where due has moved past now or hold
-- is set, and is left out; so no row is handed out twice.
-- +goose StatementBegin
CREATE FUNCTION claim_events(p_route integer, p_shard smallint, p_owner text, p_now timestamptz, p_until timestamptz, p_max integer)
RETURNS SETOF claim_made LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan TO off SET enable_bitmapscan TO off SET plan_cache_mode TO force_generic_plan AS $$
BEGIN
	IF EXISTS (SELECT FROM lanes l WHERE l.route = p_route AND l.holding > 0 AND l.until <= p_now) THEN
		PERFORM expire_holds(p_route, p_now);
	END IF;
	RETURN QUERY
	WITH pick AS MATERIALIZED (
		SELECT q.seq FROM queue q WHERE q.route = p_route AND q.due <= p_now AND q.hold = 0
		ORDER BY q.due, q.seq LIMIT p_max FOR UPDATE SKIP LOCKED
	), token AS MATERIALIZED (
		SELECT nextval('claim_seq') AS n WHERE EXISTS (SELECT FROM pick)
	), taken AS (
		UPDATE queue q SET due = p_until, claim = token.n, owner = p_owner, attempts = q.attempts + 1,
			unanswered = q.unanswered OR q.claim <> 0,
			redelivered = q.redelivered + (q.unanswered OR q.claim <> 0)::integer
		FROM pick, token WHERE q.seq = pick.seq
		RETURNING q.seq, q.lane, q.claim, q.attempts, q.unanswered, q.accepted
	), booked AS (
		INSERT INTO ledger AS l SELECT p_route, p_shard, 0, 0, 0, count(*), 0, 0 FROM taken t WHERE t.unanswered HAVING count(*) > 0
		ON CONFLICT (route, shard) DO UPDATE SET redelivered = l.redelivered + excluded.redelivered
	)
	SELECT t.seq, t.lane, t.claim, t.attempts, t.unanswered, t.accepted
	FROM taken t ORDER BY t.seq;
END $$;
-- +goose StatementEnd

-- hold_lanes claims for an ordered route: from each lane a run, beginning with
-- its first unsettled event, and nothing from a lane of which anything is in
-- flight. Why this holds with several processes:
--
--  1. Only who has locked a lane's row claims from it, and only if nothing of it is
--     held. The lock is kept until the claim is committed and visible, and a row that
--     was changed before the lock was granted is tested again. The function is
--     volatile and the transaction reads committed, so each statement sees what had
--     been committed when it began. The statements after the lock was taken therefore
--     see every earlier hold of the lane.
--  2. Claims of single events (of a route that was unordered until just now, or
--     what is left of holds whose lease ran out) are then locked in their newest
--     version. If one of them is within its lease, the lane is left alone. If none is,
--     their holders have let the leases run out, and whoever would still settle or
--     extend one waits for our lock and then finds another token (or a claim
--     that has run out, which cannot be extended).
--  3. So the last statement, which begins after these locks were granted, reads
--     a lane that nobody else can change, but for rows that are added meanwhile
--     (appends, redriven dead letters): they are simply later claims.
--
-- Events that several transactions lock are locked by rising seq everywhere, and
-- lanes are never waited for here, so that nobody waits in a circle.
-- +goose StatementBegin
CREATE FUNCTION hold_lanes(p_route integer, p_shard smallint, p_owner text, p_now timestamptz, p_until timestamptz, p_max integer, p_run integer)
RETURNS SETOF claim_made LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan TO off SET enable_bitmapscan TO off SET plan_cache_mode TO force_generic_plan AS $$
DECLARE
	v_lanes smallint[];
	v_busy smallint[] := '{}';
BEGIN
	IF EXISTS (SELECT FROM lanes l WHERE l.route = p_route AND l.holding > 0 AND l.until <= p_now) THEN
		PERFORM expire_holds(p_route, p_now);
	ELSIF NOT EXISTS (SELECT FROM lanes l WHERE l.route = p_route) THEN
		INSERT INTO lanes (route, lane) SELECT p_route, g FROM generate_series(0, 255) AS g ON CONFLICT DO NOTHING;
	END IF;

	-- The free lanes with the oldest heads, with one probe of the index for each
	-- lane, however long it is. A lane whose head waits for its next attempt is of no
	-- use. Not more lanes than it takes: others may claim from the rest meanwhile.
	SELECT array_agg(c.lane ORDER BY c.seq) INTO v_lanes FROM (
		SELECT l.lane, head.seq FROM lanes l CROSS JOIN LATERAL (
			SELECT q.due, q.seq FROM queue q WHERE q.route = p_route AND q.lane = l.lane ORDER BY q.seq LIMIT 1
		) head
		WHERE l.route = p_route AND l.holding = 0 AND head.due <= p_now
		ORDER BY head.seq LIMIT least(p_max, p_max / p_run + 16)
	) c;
	IF v_lanes IS NULL THEN
		RETURN;
	END IF;

	WITH locked AS MATERIALIZED (
		SELECT l.lane FROM lanes l WHERE l.route = p_route AND l.lane = ANY (v_lanes) AND l.holding = 0 FOR UPDATE SKIP LOCKED
	)
	SELECT array_agg(u.lane ORDER BY u.place) INTO v_lanes
	FROM unnest(v_lanes) WITH ORDINALITY AS u (lane, place) JOIN locked k ON k.lane = u.lane;
	IF v_lanes IS NULL THEN
		RETURN;
	END IF;

	IF EXISTS (SELECT FROM queue q WHERE q.route = p_route AND q.claim <> 0) THEN
		WITH held AS MATERIALIZED (
			SELECT q.lane, q.due FROM queue q
			WHERE q.route = p_route AND q.lane = ANY (v_lanes) AND q.claim <> 0
			ORDER BY q.seq FOR UPDATE
		)
		SELECT coalesce(array_agg(DISTINCT h.lane), '{}') INTO v_busy FROM held h WHERE h.due > p_now;
	END IF;

	RETURN QUERY
	WITH run AS MATERIALIZED (
		SELECT r.row, r.seq, l.place, bool_and(r.due <= p_now) OVER (PARTITION BY l.lane ORDER BY r.seq) AS free
		FROM unnest(v_lanes) WITH ORDINALITY AS l (lane, place)
		CROSS JOIN LATERAL (
			SELECT q.ctid AS row, q.seq, q.due FROM queue q WHERE q.route = p_route AND q.lane = l.lane ORDER BY q.seq LIMIT p_run
		) r
		WHERE l.lane <> ALL (v_busy)
	), pick AS MATERIALIZED (
		SELECT r.row FROM run r WHERE r.free ORDER BY r.place, r.seq LIMIT p_max
	), token AS MATERIALIZED (
		SELECT nextval('claim_seq') AS n WHERE EXISTS (SELECT FROM pick)
	), taken AS (
		UPDATE queue q SET hold = token.n, claim = 0, attempts = q.attempts + 1,
			unanswered = q.unanswered OR q.claim <> 0,
			redelivered = q.redelivered + (q.unanswered OR q.claim <> 0)::integer
		FROM pick, token WHERE q.ctid = pick.row AND q.due <= p_now AND q.hold = 0
		RETURNING q.seq, q.lane, q.hold, q.attempts, q.unanswered, q.accepted
	), kept AS (
		UPDATE lanes l SET token = t.hold, holding = t.n, until = p_until, owner = p_owner
		FROM (SELECT taken.lane, taken.hold, count(*)::integer AS n FROM taken GROUP BY taken.lane, taken.hold) t
		WHERE l.route = p_route AND l.lane = t.lane
	), booked AS (
		INSERT INTO ledger AS l SELECT p_route, p_shard, 0, 0, 0, count(*), 0, 0 FROM taken t WHERE t.unanswered HAVING count(*) > 0
		ON CONFLICT (route, shard) DO UPDATE SET redelivered = l.redelivered + excluded.redelivered
	)
	SELECT t.seq, t.lane, t.hold, t.attempts, t.unanswered, t.accepted
	FROM taken t ORDER BY t.seq;
END $$;
-- +goose StatementEnd
