package sqlite

// registerSchema adds the register of routes that wait in a broker. at is when an
// entry was last changed; of a delivered event, when that was.
const registerSchema = `
CREATE TABLE accounts (
	route TEXT PRIMARY KEY,
	confirmed INTEGER NOT NULL DEFAULT 0,
	delivered INTEGER NOT NULL DEFAULT 0,
	dead INTEGER NOT NULL DEFAULT 0,
	duplicates INTEGER NOT NULL DEFAULT 0,
	redelivered INTEGER NOT NULL DEFAULT 0,
	purged INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE registered (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	route TEXT NOT NULL, id TEXT NOT NULL, state INTEGER NOT NULL, at INTEGER NOT NULL,
	copy TEXT NOT NULL, digest BLOB, record BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX registered_id ON registered (route, id);
CREATE INDEX registered_open ON registered (state, seq) WHERE state <> 1;
CREATE INDEX registered_delivered ON registered (at) WHERE state = 1;
`
