package sqlite

// trailSchema adds the audit trail. An entry without a place is not sealed yet. Numbers
// are never given twice, so that what is missing stays missing. trail_routes remembers
// which routes ever had a trail; the empty name stands for all.
const trailSchema = `
CREATE TABLE trail (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	at INTEGER NOT NULL, route TEXT NOT NULL, body BLOB NOT NULL,
	place INTEGER, hash BLOB
) STRICT;
CREATE UNIQUE INDEX trail_place ON trail (place) WHERE place IS NOT NULL;
CREATE INDEX trail_unsealed ON trail (number) WHERE place IS NULL;

CREATE TABLE trail_seals (
	number INTEGER PRIMARY KEY,
	place INTEGER NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL,
	prev BLOB NOT NULL, digest BLOB NOT NULL, key TEXT NOT NULL, signature BLOB NOT NULL
) STRICT;

CREATE TABLE trail_routes (route TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
`
