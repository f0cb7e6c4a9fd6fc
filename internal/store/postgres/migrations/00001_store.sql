-- +goose Up
-- The names are in the schema that the search path names.

CREATE TABLE routes (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE
);

-- What events of one source and type have in common.
CREATE TABLE kinds (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	source text NOT NULL, type text NOT NULL, org text NOT NULL,
	UNIQUE (source, type, org)
);

-- The ledger is kept in shards, so that processes do not wait for each other's
-- commits to change one row. What retention removed is counted apart.
CREATE TABLE ledger (
	route integer NOT NULL, shard smallint NOT NULL,
	accepted bigint NOT NULL, delivered bigint NOT NULL, dead bigint NOT NULL,
	redelivered bigint NOT NULL, filtered bigint NOT NULL, duplicates bigint NOT NULL,
	PRIMARY KEY (route, shard)
) WITH (fillfactor = 50);
CREATE TABLE purges (
	route integer NOT NULL, shard smallint NOT NULL,
	delivered bigint NOT NULL, redelivered bigint NOT NULL,
	PRIMARY KEY (route, shard)
) WITH (fillfactor = 50);

-- Numbers are given in the transaction that inserts, one by one: an append that
-- begins after another has returned gets greater numbers, in any process.
CREATE SEQUENCE event_seq CACHE 1;
CREATE SEQUENCE claim_seq CACHE 1;

-- Events as accepted, written once and removed by retention.
CREATE TABLE events (
	seq bigint PRIMARY KEY,
	route integer NOT NULL, lane smallint NOT NULL, kind integer NOT NULL,
	accepted timestamptz NOT NULL, time timestamptz, refilled boolean NOT NULL,
	id text NOT NULL, subject text NOT NULL, okey text NOT NULL, trace text NOT NULL
);
CREATE TABLE payloads (seq bigint PRIMARY KEY, data bytea NOT NULL);

-- Every event is either in the queue or has ended.
--
-- due is when a row may be claimed next: at once (-infinity), at its next
-- attempt, or, while a claim holds it, at the end of the lease. claim is the
-- token of the last claim unless that has been settled; 0 otherwise.
CREATE TABLE queue (
	route integer NOT NULL, lane smallint NOT NULL, seq bigint NOT NULL,
	due timestamptz NOT NULL, claim bigint NOT NULL, owner text NOT NULL,
	attempts integer NOT NULL, redelivered integer NOT NULL, unanswered boolean NOT NULL,
	accepted timestamptz NOT NULL,
	PRIMARY KEY (route, lane, seq)
) WITH (
	-- The queue is small and changes all the time: leave dead rows nowhere.
	autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
	autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_threshold = 2000
);
-- Rows are found by number through a hash: an ordinary index on seq would look
-- to the planner like a way to walk a lane in order, along all other lanes' rows.
CREATE INDEX queue_seq ON queue USING hash (seq);
CREATE INDEX queue_due ON queue (route, due, seq);
CREATE INDEX queue_claimed ON queue (route, lane, seq) WHERE claim <> 0;

CREATE TABLE ended (
	seq bigint PRIMARY KEY,
	route integer NOT NULL, state smallint NOT NULL, ended timestamptz NOT NULL,
	attempts integer NOT NULL, redelivered integer NOT NULL, unanswered boolean NOT NULL,
	payload boolean NOT NULL DEFAULT true
);
CREATE INDEX ended_delivered ON ended (ended) WHERE state = 1;
CREATE INDEX ended_payload ON ended (ended) WHERE state = 1 AND payload;
CREATE INDEX ended_dead ON ended (seq) WHERE state = 2;

-- Failed attempts.
CREATE TABLE attempts (
	seq bigint NOT NULL, claim bigint NOT NULL, number integer NOT NULL,
	started timestamptz, ended timestamptz,
	verdict smallint NOT NULL, status integer NOT NULL, happened smallint NOT NULL, after bigint NOT NULL,
	reason text NOT NULL, hint text NOT NULL,
	PRIMARY KEY (seq, claim)
);

CREATE TABLE positions (
	subscription text PRIMARY KEY, position bytea, event_time timestamptz, moved timestamptz
) WITH (fillfactor = 50);

CREATE TABLE gaps (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	subscription text NOT NULL, state text NOT NULL, cause text NOT NULL, detail text NOT NULL,
	span_from timestamptz, span_until timestamptz, opened timestamptz, closed timestamptz,
	refilled bigint NOT NULL
);

CREATE TABLE leases (
	name text PRIMARY KEY, holder text NOT NULL, fence bigint NOT NULL, until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE keys (
	scope text NOT NULL, key text NOT NULL, digest bytea NOT NULL, answer bytea, expires timestamptz NOT NULL,
	PRIMARY KEY (scope, key)
);
CREATE INDEX keys_expires ON keys (expires);

-- claimed is what a claim returns.
CREATE TYPE claimed AS (
	seq bigint, lane smallint, claim bigint, attempts integer, unanswered boolean, accepted timestamptz,
	id text, source text, type text, org text, subject text, time timestamptz, okey text, refilled boolean, trace text,
	data bytea
);

-- claim_any claims for an unordered route. Claimers skip rows that others are
-- just claiming. A row that another has claimed between our snapshot and our
-- lock is tested again in its newest version, where due has moved past now, and
-- is left out; so no row is handed out twice.
-- +goose StatementBegin
CREATE FUNCTION claim_any(p_route integer, p_shard smallint, p_owner text, p_now timestamptz, p_until timestamptz, p_max integer)
RETURNS SETOF claimed LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan TO off SET plan_cache_mode TO force_generic_plan AS $$
BEGIN
	RETURN QUERY
	WITH pick AS MATERIALIZED (
		SELECT q.seq FROM queue q WHERE q.route = p_route AND q.due <= p_now
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
		e.id, k.source, k.type, k.org, e.subject, e.time, e.okey, e.refilled, e.trace, p.data
	FROM taken t JOIN events e ON e.seq = t.seq JOIN kinds k ON k.id = e.kind LEFT JOIN payloads p ON p.seq = t.seq
	ORDER BY t.seq;
END $$;
-- +goose StatementEnd

-- claim_lanes claims for an ordered route: from each lane a run, beginning with
-- its first unsettled event, and nothing from a lane of which anything is in
-- flight. Why this holds with several processes:
--
--  1. Only who holds a lane's advisory lock claims from it, and the lock is held
--     until the claim is committed and visible. The function is volatile and
--     the transaction reads committed, so each statement sees what had been
--     committed when it began. The statements after the lock was taken therefore
--     see every earlier claim of the lane.
--  2. The claimed rows of the lane are then locked in their newest version. If
--     one of them is within its lease, the lane is left alone. If none is, their
--     holders have let the leases run out, and whoever would still settle or
--     extend one waits for our lock and then finds another token (or a claim
--     that has run out, which cannot be extended).
--  3. So the last statement, which begins after these locks were granted, reads
--     a lane that nobody else can change: claimed rows are locked, unclaimed rows
--     are changed by claimers only, and rows that are added meanwhile (appends,
--     redriven dead letters) are simply later claims.
--
-- Rows that several transactions lock are locked by rising seq everywhere, so
-- that they cannot wait for each other in a circle.
-- +goose StatementBegin
CREATE FUNCTION claim_lanes(p_route integer, p_shard smallint, p_owner text, p_now timestamptz, p_until timestamptz, p_max integer,
	p_run integer, p_first integer, p_locks bigint)
RETURNS SETOF claimed LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan TO off SET plan_cache_mode TO force_generic_plan AS $$
DECLARE
	v_lanes integer[];
	v_busy integer[];
BEGIN
	-- One probe of the index per lane, however long the lane.
	SELECT array_agg(c.lane ORDER BY c.place) INTO v_lanes FROM (
		SELECT g.lane, (g.lane - p_first + 256) % 256 AS place
		FROM generate_series(0, 255) AS g (lane)
		CROSS JOIN LATERAL (
			SELECT q.due FROM queue q WHERE q.route = p_route AND q.lane = g.lane::smallint ORDER BY q.seq LIMIT 1
		) head
		WHERE head.due <= p_now
		ORDER BY place LIMIT p_max
	) c;
	IF v_lanes IS NULL THEN
		RETURN;
	END IF;

	SELECT array_agg(l.lane ORDER BY l.place) INTO v_lanes
	FROM unnest(v_lanes) WITH ORDINALITY AS l (lane, place) WHERE pg_try_advisory_xact_lock(p_locks + l.lane);
	IF v_lanes IS NULL THEN
		RETURN;
	END IF;

	WITH held AS MATERIALIZED (
		SELECT q.lane, q.due FROM queue q
		WHERE q.route = p_route AND q.lane = ANY (v_lanes::smallint[]) AND q.claim <> 0
		ORDER BY q.seq FOR UPDATE
	)
	SELECT coalesce(array_agg(DISTINCT h.lane::integer), '{}') INTO v_busy FROM held h WHERE h.due > p_now;

	RETURN QUERY
	WITH run AS MATERIALIZED (
		SELECT r.seq, l.place, bool_and(r.due <= p_now) OVER (PARTITION BY l.lane ORDER BY r.seq) AS free
		FROM unnest(v_lanes) WITH ORDINALITY AS l (lane, place)
		CROSS JOIN LATERAL (
			SELECT q.seq, q.due FROM queue q WHERE q.route = p_route AND q.lane = l.lane::smallint ORDER BY q.seq LIMIT p_run
		) r
		WHERE l.lane <> ALL (v_busy)
	), pick AS MATERIALIZED (
		SELECT r.seq FROM run r WHERE r.free ORDER BY r.place, r.seq LIMIT p_max
	), token AS MATERIALIZED (
		SELECT nextval('claim_seq') AS n WHERE EXISTS (SELECT FROM pick)
	), taken AS (
		UPDATE queue q SET due = p_until, claim = token.n, owner = p_owner, attempts = q.attempts + 1,
			unanswered = q.unanswered OR q.claim <> 0,
			redelivered = q.redelivered + (q.unanswered OR q.claim <> 0)::integer
		FROM pick, token WHERE q.seq = pick.seq AND q.due <= p_now
		RETURNING q.seq, q.lane, q.claim, q.attempts, q.unanswered, q.accepted
	), booked AS (
		INSERT INTO ledger AS l SELECT p_route, p_shard, 0, 0, 0, count(*), 0, 0 FROM taken t WHERE t.unanswered HAVING count(*) > 0
		ON CONFLICT (route, shard) DO UPDATE SET redelivered = l.redelivered + excluded.redelivered
	)
	SELECT t.seq, t.lane, t.claim, t.attempts, t.unanswered, t.accepted,
		e.id, k.source, k.type, k.org, e.subject, e.time, e.okey, e.refilled, e.trace, p.data
	FROM taken t JOIN events e ON e.seq = t.seq JOIN kinds k ON k.id = e.kind LEFT JOIN payloads p ON p.seq = t.seq
	ORDER BY t.seq;
END $$;
-- +goose StatementEnd
