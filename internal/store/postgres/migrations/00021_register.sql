-- +goose Up
-- The register of routes that wait in a broker: their accounts, and what became
-- of each event by id. at is when an entry was last changed; of a delivered event,
-- when that was.
CREATE TABLE accounts (
	route text NOT NULL, shard smallint NOT NULL,
	confirmed bigint NOT NULL, delivered bigint NOT NULL, dead bigint NOT NULL,
	duplicates bigint NOT NULL, redelivered bigint NOT NULL, purged bigint NOT NULL,
	PRIMARY KEY (route, shard)
) WITH (fillfactor = 50);

CREATE TABLE registered (
	seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	route text NOT NULL, id text NOT NULL, state smallint NOT NULL, at timestamptz NOT NULL,
	copy text NOT NULL, digest bytea, record bytea NOT NULL
);
CREATE UNIQUE INDEX registered_id ON registered (route, id);
CREATE INDEX registered_open ON registered (state, seq) WHERE state <> 1;
CREATE INDEX registered_delivered ON registered (at) WHERE state = 1;
