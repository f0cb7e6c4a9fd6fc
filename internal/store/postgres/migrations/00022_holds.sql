-- +goose Up

-- An ordered route claims by lane: a hold is a run of events at the head of a
-- lane, claimed together under one token and one lease, which are kept here and not
-- on every event. holding counts the events of the run that are not settled yet; the
-- lane is free when it is 0. Nothing that changes is indexed, so that changes stay
-- in the row's page.
CREATE TABLE lanes (
	route integer NOT NULL, lane smallint NOT NULL,
	token bigint NOT NULL DEFAULT 0, holding integer NOT NULL DEFAULT 0,
	until timestamptz NOT NULL DEFAULT '-infinity', owner text NOT NULL DEFAULT '',
	PRIMARY KEY (route, lane)
) WITH (fillfactor = 40, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- hold is the token of the hold that an event is part of, 0 if of none. Unlike
-- claim, which marks the claims of unordered routes, it is in no index: claiming an
-- event on an ordered route changes its row in place, if its page has room for that.
ALTER TABLE queue ADD COLUMN hold bigint NOT NULL DEFAULT 0;
ALTER TABLE queue SET (fillfactor = 50);

-- A delivered event is in one index by its end and not in two: with its payload,
-- and then without.
DROP INDEX ended_delivered;
CREATE INDEX ended_bare ON ended (ended) WHERE state = 1 AND NOT payload;

-- What a claim returns, with the number of the event's kind: the claimer knows
-- kinds by number.
CREATE TYPE claimed_event AS (
	seq bigint, lane smallint, claim bigint, attempts integer, unanswered boolean, accepted timestamptz,
	kind integer, id text, subject text, time timestamptz, okey text, refilled boolean, trace text, data bytea
);

-- Whoever runs the version before finds nothing to claim with, and waits for
-- being replaced: it could not tell what is held.
DROP FUNCTION claim_lanes(integer, smallint, text, timestamptz, timestamptz, integer, integer, integer, bigint);
DROP FUNCTION claim_any(integer, smallint, text, timestamptz, timestamptz, integer);
DROP TYPE claimed;

-- expire_holds turns the holds of a route whose lease has run out into expired
-- claims of single events, which either kind of claim knows how to take over. A lane
-- that somebody else is at is left for later, and so is one of which an event is just
-- being settled: who settles has locked the event and wants the lane.
-- +goose StatementBegin
CREATE FUNCTION expire_holds(p_route integer, p_now timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan TO off AS $$
DECLARE
	v lanes%ROWTYPE;
BEGIN
	FOR v IN SELECT * FROM lanes l WHERE l.route = p_route AND l.holding > 0 AND l.until <= p_now ORDER BY l.lane FOR UPDATE SKIP LOCKED LOOP
		BEGIN
			PERFORM FROM queue q WHERE q.route = p_route AND q.lane = v.lane AND q.hold = v.token ORDER BY q.seq FOR UPDATE NOWAIT;
			UPDATE queue q SET hold = 0, claim = v.token, due = v.until WHERE q.route = p_route AND q.lane = v.lane AND q.hold = v.token;
			UPDATE lanes l SET token = 0, holding = 0 WHERE l.route = p_route AND l.lane = v.lane;
		EXCEPTION WHEN lock_not_available THEN
			CONTINUE;
		END;
	END LOOP;
END $$;
-- +goose StatementEnd

-- claim_events claims for an unordered route. Claimers skip rows that others are
-- just claiming. A row that another has claimed between our snapshot and our
-- lock is tested again in its newest version, where due has moved past now or hold
-- is set, and is left out; so no row is handed out twice.
-- +goose StatementBegin
CREATE FUNCTION claim_events(p_route integer, p_shard smallint, p_owner text, p_now timestamptz, p_until timestamptz, p_max integer)
RETURNS SETOF claimed_event LANGUAGE plpgsql
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
	SELECT t.seq, t.lane, t.claim, t.attempts, t.unanswered, t.accepted,
		e.kind, e.id, e.subject, e.time, e.okey, e.refilled, e.trace, p.data
	FROM taken t JOIN events e ON e.seq = t.seq LEFT JOIN payloads p ON p.seq = t.seq
	ORDER BY t.seq;
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
RETURNS SETOF claimed_event LANGUAGE plpgsql
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
	SELECT t.seq, t.lane, t.hold, t.attempts, t.unanswered, t.accepted,
		e.kind, e.id, e.subject, e.time, e.okey, e.refilled, e.trace, p.data
	FROM taken t JOIN events e ON e.seq = t.seq LEFT JOIN payloads p ON p.seq = t.seq
	ORDER BY t.seq;
END $$;
-- +goose StatementEnd
