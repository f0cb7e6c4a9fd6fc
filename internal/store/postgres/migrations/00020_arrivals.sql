-- +goose Up

-- The ids of events that others hand over, for as long as a repetition is
-- recognized; apart from events, because they outlive them or are outlived.
CREATE TABLE arrivals (
	route integer NOT NULL, id text NOT NULL,
	digest bytea, accepted timestamptz NOT NULL, expires timestamptz NOT NULL,
	PRIMARY KEY (route, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX arrivals_expires ON arrivals (expires);
