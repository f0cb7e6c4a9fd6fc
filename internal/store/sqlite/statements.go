package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// statements are the prepared statements of the writer's hot path.
type statements struct {
	begin, commit, rollback *sqlite.Stmt
	book, route, kind       *sqlite.Stmt
	batch, traits           *sqlite.Stmt
	body, dropBody          *sqlite.Stmt
	open, nextOpen          *sqlite.Stmt
	claimFresh, claim       *sqlite.Stmt
	claimAgain              *sqlite.Stmt
	done, doneRange         *sqlite.Stmt
	again, dead, release    *sqlite.Stmt
	attempt                 *sqlite.Stmt
	readBatch, readBody     *sqlite.Stmt
	readKind, readProgress  *sqlite.Stmt
	recall, note            *sqlite.Stmt
	fence, position         *sqlite.Stmt
}

func prepare(conn *sqlite.Conn) (*statements, error) {
	var s statements
	for _, p := range []struct {
		to    **sqlite.Stmt
		query string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.book, `UPDATE routes SET accepted = accepted + ?, delivered = delivered + ?, dead = dead + ?,
			redelivered = redelivered + ?, filtered = filtered + ?, duplicates = duplicates + ? WHERE id = ?`},
		// The update that changes nothing makes RETURNING answer for an old row too.
		{&s.route, "INSERT INTO routes (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id"},
		{&s.kind, `INSERT INTO kinds (source, type, org) VALUES (?, ?, ?)
			ON CONFLICT (source, type, org) DO UPDATE SET org = org RETURNING id`},
		{&s.batch, "INSERT INTO batches (first, n, route, open, accepted, until, ids) VALUES (?, ?, ?, ?, ?, ?, ?)"},
		{&s.traits, "INSERT OR REPLACE INTO traits (first, data) VALUES (?, ?)"},
		{&s.body, "INSERT OR REPLACE INTO bodies (first, data) VALUES (?, ?)"},
		{&s.dropBody, "DELETE FROM bodies WHERE first = ?"},
		{&s.open, "UPDATE batches SET open = open + ? WHERE first = ?"},
		{&s.claimFresh, `INSERT INTO progress (seq, route, state, claim, attempts, redelivered, unanswered, due, ended)
			SELECT ?1 + n, ?2, 0, ?3, 1, 0, 0, 0, 0 FROM numbers WHERE n < ?4`},
		{&s.claim, "UPDATE progress SET claim = ?, attempts = attempts + 1, unanswered = 0 WHERE seq BETWEEN ? AND ?"},
		{&s.claimAgain, "UPDATE progress SET claim = ?, attempts = attempts + 1, redelivered = redelivered + 1, unanswered = 1 WHERE seq = ?"},
		{&s.done, "UPDATE progress SET state = 1, claim = 0, ended = ? WHERE seq = ?"},
		{&s.doneRange, "UPDATE progress SET state = 1, claim = 0, ended = ? WHERE seq BETWEEN ? AND ?"},
		{&s.again, "UPDATE progress SET claim = 0, due = ? WHERE seq = ?"},
		{&s.dead, "UPDATE progress SET state = 2, claim = 0, due = 0, ended = ? WHERE seq = ?"},
		{&s.release, "UPDATE progress SET claim = 0, due = ?, attempts = attempts - 1, redelivered = redelivered - ? WHERE seq = ?"},
		{&s.attempt, `INSERT INTO attempts (seq, claim, number, started, ended, verdict, status, happened, after, reason, hint)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.nextOpen, "SELECT first FROM batches WHERE route = ? AND open > 0 AND first >= ? AND first + n > ? ORDER BY first LIMIT 1"},
		{&s.readBatch, readBatchQuery},
		{&s.readBody, readBodyQuery},
		{&s.readKind, readKindQuery},
		{&s.readProgress, progressQuery},
		{&s.recall, "SELECT accepted, until, digest FROM ids WHERE id = ?"},
		{&s.note, "INSERT OR REPLACE INTO ids (id, accepted, until, digest) VALUES (?, ?, ?, ?)"},
		{&s.fence, "SELECT fence FROM leases WHERE name = ?"},
		{&s.position, `INSERT INTO positions (subscription, position, event_time, moved) VALUES (?1, ?2, ?3, iif(?2 IS NULL, 0, ?4))
			ON CONFLICT (subscription) DO UPDATE SET
			position = coalesce(excluded.position, position), moved = iif(excluded.position IS NULL, moved, excluded.moved),
			event_time = iif(excluded.event_time = 0, event_time, excluded.event_time)`},
	} {
		stmt, err := conn.Prepare(p.query)
		if err != nil {
			return nil, fmt.Errorf("prepare %q: %w", p.query, err)
		}
		*p.to = stmt
	}
	return &s, nil
}
