package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// statements are the prepared statements of the writer's hot path.
type statements struct {
	begin, commit, rollback *sqlite.Stmt
	book, route, kind       *sqlite.Stmt
	insert, payload         *sqlite.Stmt
	claim, claimRange       *sqlite.Stmt
	done, doneRange         *sqlite.Stmt
	again, dead, release    *sqlite.Stmt
	attempt                 *sqlite.Stmt
	load, read              *sqlite.Stmt
	recall, note            *sqlite.Stmt
	fence, position         *sqlite.Stmt
}

// The columns of loadColumns are read by scanEntry, those of eventColumns by scanEvent.
const (
	loadColumns  = "e.seq, e.lane, e.claim, e.attempts, e.unanswered, e.due, e.accepted"
	eventColumns = "e.id, k.source, k.type, k.org, e.subject, e.time, e.okey, e.refilled, e.trace"
)

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
		{&s.insert, `INSERT INTO events (seq, route, lane, state, claim, attempts, redelivered, unanswered, due, accepted, ended,
			kind, time, refilled, id, subject, okey, trace, until, digest)
			VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.payload, "INSERT INTO payloads (seq, data) VALUES (?, ?)"},
		{&s.claim, `UPDATE events SET claim = ?, attempts = attempts + 1, redelivered = redelivered + ?2, unanswered = ?2 WHERE seq = ?`},
		{&s.claimRange, `UPDATE events SET claim = ?, attempts = attempts + 1 WHERE seq BETWEEN ? AND ?`},
		{&s.done, "UPDATE events SET state = 1, claim = 0, ended = ? WHERE seq = ?"},
		{&s.doneRange, "UPDATE events SET state = 1, claim = 0, ended = ? WHERE seq BETWEEN ? AND ?"},
		{&s.again, "UPDATE events SET claim = 0, due = ? WHERE seq = ?"},
		{&s.dead, "UPDATE events SET state = 2, claim = 0, due = 0, ended = ? WHERE seq = ?"},
		{&s.release, "UPDATE events SET claim = 0, due = ?, attempts = attempts - 1, redelivered = redelivered - ? WHERE seq = ?"},
		{&s.attempt, `INSERT INTO attempts (seq, claim, number, started, ended, verdict, status, happened, after, reason, hint)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.load, "SELECT " + loadColumns + ` FROM events e WHERE e.route = ? AND e.seq >= ? AND e.state = 0 ORDER BY e.seq LIMIT ?`},
		{&s.read, "SELECT " + eventColumns + `, p.data FROM events e JOIN kinds k ON k.id = e.kind LEFT JOIN payloads p ON p.seq = e.seq WHERE e.seq = ?`},
		{&s.recall, "SELECT accepted, until, digest FROM ids WHERE id = ?"},
		{&s.note, "INSERT OR REPLACE INTO ids (id, accepted, until, digest) VALUES (?, ?, ?, ?)"},
		{&s.fence, "SELECT fence FROM leases WHERE name = ?"},
		{&s.position, `INSERT INTO positions (subscription, position, event_time, moved) VALUES (?1, ?2, ?3, ?4)
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
