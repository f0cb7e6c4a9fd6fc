-- +goose Up
-- The id is how people, callers who ask for a status and a route that has moved
-- find an event.
CREATE INDEX events_id ON events USING hash (id);
