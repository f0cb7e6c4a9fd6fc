-- +goose Up
ALTER TABLE gaps
	ADD COLUMN witness text NOT NULL DEFAULT '',
	ADD COLUMN covered timestamptz;
