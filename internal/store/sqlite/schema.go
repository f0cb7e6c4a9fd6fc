package sqlite

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// schemaVersion is the user_version of a file that this program writes.
const schemaVersion = 8

// The states of a row. In flight is not one of them: a claim changes only the
// column of that name, which leaves the partial index alone.
const (
	rowWaiting   = 0
	rowDelivered = 1
	rowDead      = 2
	rowGone      = 3 // removed by retention; the row goes with its batch
)

// schema is that of version 1. It keeps the rows that settle in place (events) apart from the payloads,
// which are written once, so that a settlement rewrites few pages. All keys but
// those of the idempotency keys rise with time: an index on the random event id
// would spread each commit over the whole file.
const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

CREATE TABLE routes (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	accepted INTEGER NOT NULL DEFAULT 0,
	delivered INTEGER NOT NULL DEFAULT 0,
	dead INTEGER NOT NULL DEFAULT 0,
	redelivered INTEGER NOT NULL DEFAULT 0,
	filtered INTEGER NOT NULL DEFAULT 0,
	duplicates INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What retention removed, counted apart from the ledger so that an audit can
-- add it to the rows it finds.
CREATE TABLE purges (
	route INTEGER PRIMARY KEY,
	delivered INTEGER NOT NULL DEFAULT 0,
	redelivered INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE kinds (
	id INTEGER PRIMARY KEY,
	source TEXT NOT NULL, type TEXT NOT NULL, org TEXT NOT NULL,
	UNIQUE (source, type, org)
) STRICT;

-- Times are microseconds since 1970, 0 for none. claim is the token of the
-- claim that holds a waiting row, 0 for none; a token of an earlier owner of the
-- file is void.
CREATE TABLE events (
	seq INTEGER PRIMARY KEY,
	route INTEGER NOT NULL,
	lane INTEGER NOT NULL,
	state INTEGER NOT NULL,
	claim INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	redelivered INTEGER NOT NULL,
	unanswered INTEGER NOT NULL,
	due INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	kind INTEGER NOT NULL,
	time INTEGER NOT NULL,
	refilled INTEGER NOT NULL,
	id TEXT NOT NULL,
	subject TEXT NOT NULL,
	okey TEXT NOT NULL,
	trace TEXT NOT NULL
) STRICT;
CREATE INDEX events_waiting ON events (route, seq) WHERE state = 0;
CREATE INDEX events_dead ON events (route, seq) WHERE state = 2;

CREATE TABLE payloads (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- Failed attempts. The token of an attempt's claim rises, also past a redrive.
CREATE TABLE attempts (
	seq INTEGER NOT NULL, claim INTEGER NOT NULL, number INTEGER NOT NULL,
	started INTEGER NOT NULL, ended INTEGER NOT NULL,
	verdict INTEGER NOT NULL, status INTEGER NOT NULL, happened INTEGER NOT NULL,
	after INTEGER NOT NULL, reason TEXT NOT NULL, hint TEXT NOT NULL,
	PRIMARY KEY (seq, claim)
) STRICT, WITHOUT ROWID;

CREATE TABLE positions (
	subscription TEXT PRIMARY KEY, position BLOB,
	event_time INTEGER NOT NULL, moved INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	subscription TEXT NOT NULL, state TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL,
	span_from INTEGER NOT NULL, span_until INTEGER NOT NULL,
	opened INTEGER NOT NULL, closed INTEGER NOT NULL, refilled INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (
	name TEXT PRIMARY KEY, holder TEXT NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
	scope TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, answer BLOB,
	expires INTEGER NOT NULL,
	PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
`

// upgrades lead from one version to the next; the first leads from version 1. A
// new file takes the way of an old one, so that there is one way to every version.
var upgrades = []upgrade{{script: `
ALTER TABLE gaps ADD COLUMN object TEXT NOT NULL DEFAULT '';
ALTER TABLE gaps ADD COLUMN cursor BLOB;
ALTER TABLE gaps ADD COLUMN began INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gaps ADD COLUMN filled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gaps ADD COLUMN read INTEGER NOT NULL DEFAULT 0;
`}, {script: budgetSchema}, {script: `
-- Until when the route knows the id again, 0 for not at all, and what tells
-- apart two requests of one id. The table holds what has moved there.
ALTER TABLE events ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN digest BLOB;
CREATE TABLE ids (
	id BLOB PRIMARY KEY, accepted INTEGER NOT NULL, until INTEGER NOT NULL, digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;
`}, {script: registerSchema}, {script: batchSchema, then: toBatches}, {script: trailSchema}, {script: `
ALTER TABLE gaps ADD COLUMN witness TEXT NOT NULL DEFAULT '';
ALTER TABLE gaps ADD COLUMN covered INTEGER NOT NULL DEFAULT 0;
-- See appendFilter; NULL in batches of earlier versions.
ALTER TABLE batches ADD COLUMN ids BLOB;
`}}

// upgrade leads from one version to the next.
type upgrade struct {
	script string
	// then does what SQL cannot; nil if there is nothing.
	then func(*sqlite.Conn) error
}

// migrate brings the file's tables to schemaVersion. The caller owns the file.
func migrate(conn *sqlite.Conn) (err error) {
	version, err := pragmaInt(conn, "user_version")
	if err != nil {
		return err
	}
	switch {
	case version == schemaVersion:
		return nil
	case version > schemaVersion:
		return fmt.Errorf("file has schema version %d, this program knows up to %d", version, schemaVersion)
	case version < 0:
		return fmt.Errorf("file has unknown schema version %d", version)
	}
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return fmt.Errorf("begin migration: %w", err)
	}
	defer end(&err)
	if version == 0 {
		if err := create(conn); err != nil {
			return err
		}
		version = 1
	}
	for _, upgrade := range upgrades[version-1:] {
		if err := executeAll(conn, upgrade.script); err != nil {
			return fmt.Errorf("upgrade tables: %w", err)
		}
		if upgrade.then == nil {
			continue
		}
		if err := upgrade.then(conn); err != nil {
			return fmt.Errorf("upgrade tables: %w", err)
		}
	}
	return execute(conn, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
}

// create makes the tables of version 1 in an empty file.
func create(conn *sqlite.Conn) error {
	if tables, err := resultInt(conn, "SELECT count(*) FROM sqlite_schema"); err != nil {
		return err
	} else if tables != 0 {
		return errors.New("file is a SQLite database of something else")
	}
	if err := executeAll(conn, schema); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	return nil
}

// executeAll runs the statements of a script within the caller's transaction.
func executeAll(conn *sqlite.Conn, script string) error {
	return sqlitex.ExecuteScript(conn, script, nil)
}

func execute(conn *sqlite.Conn, query string, args ...any) error {
	return sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{Args: args})
}

func pragmaInt(conn *sqlite.Conn, name string) (int64, error) {
	return resultInt(conn, "PRAGMA "+name)
}

func resultInt(conn *sqlite.Conn, query string, args ...any) (n int64, err error) {
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		Args:       args,
		ResultFunc: func(s *sqlite.Stmt) error { n = s.ColumnInt64(0); return nil },
	})
	return n, err
}
