-- +goose Up
CREATE TABLE budget_uses (
	org text NOT NULL, priority text NOT NULL, hour timestamptz NOT NULL,
	used bigint NOT NULL, refused bigint NOT NULL,
	PRIMARY KEY (org, priority, hour)
) WITH (fillfactor = 50);

-- The newest of each ten minutes.
CREATE TABLE budget_readings (
	org text NOT NULL, name text NOT NULL, bucket timestamptz NOT NULL,
	at timestamptz NOT NULL, used bigint NOT NULL, max bigint NOT NULL,
	PRIMARY KEY (org, name, bucket)
) WITH (fillfactor = 50);

CREATE TABLE notes (
	scope text NOT NULL, name text NOT NULL, at timestamptz NOT NULL, body bytea NOT NULL,
	PRIMARY KEY (scope, name)
) WITH (fillfactor = 50);
