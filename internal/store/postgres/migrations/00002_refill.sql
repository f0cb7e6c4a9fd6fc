-- +goose Up
ALTER TABLE gaps
	ADD COLUMN object text NOT NULL DEFAULT '',
	ADD COLUMN cursor bytea,
	ADD COLUMN began timestamptz,
	ADD COLUMN filled timestamptz,
	ADD COLUMN read bigint NOT NULL DEFAULT 0;
