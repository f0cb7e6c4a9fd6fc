-- +goose Up
-- The audit trail. An entry without a place is not sealed yet. at is the store's
-- time in microseconds since 1970, exactly what is hashed. trail_routes remembers
-- which routes ever had a trail; the empty name stands for all.
CREATE TABLE trail (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at bigint NOT NULL,
	route text NOT NULL,
	body bytea NOT NULL,
	place bigint,
	hash bytea
);
CREATE UNIQUE INDEX trail_place ON trail (place) WHERE place IS NOT NULL;
CREATE INDEX trail_unsealed ON trail (number) WHERE place IS NULL;

CREATE TABLE trail_seals (
	number bigint PRIMARY KEY,
	place bigint NOT NULL,
	hash bytea NOT NULL,
	at bigint NOT NULL,
	prev bytea NOT NULL,
	digest bytea NOT NULL,
	key text NOT NULL,
	signature bytea NOT NULL
);

CREATE TABLE trail_routes (route text PRIMARY KEY);
