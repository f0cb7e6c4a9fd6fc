package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// numbered is how many numbers, from 0, the table of numbers holds.
const numbered = 512

// batchSchema is an upgrade: events are kept in batches, as they came, and only
// what happens to them has a row each. Before, each event had two rows from the
// beginning, and writing them was nearly all that storing it cost.
const batchSchema = `
-- The events that one commit accepted for one route: their sequence numbers are
-- first to first + n - 1. open counts those neither delivered nor dead. until is
-- the last end of a memory of their ids, 0 for none.
CREATE TABLE batches (
	first INTEGER PRIMARY KEY,
	n INTEGER NOT NULL,
	route INTEGER NOT NULL,
	open INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	until INTEGER NOT NULL
) STRICT;
CREATE INDEX batches_open ON batches (route, first) WHERE open > 0;

-- What the events of a batch are, in a format of our own (traitsFormat), and
-- their payloads one after another. Without a row, the payloads are gone.
CREATE TABLE traits (first INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE bodies (first INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- What has happened to an event; one that nobody has claimed yet has no row.
-- claim is the token of the claim that holds a waiting event, 0 for none; a
-- token of an earlier owner of the file is void.
CREATE TABLE progress (
	seq INTEGER PRIMARY KEY,
	route INTEGER NOT NULL,
	state INTEGER NOT NULL,
	claim INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	redelivered INTEGER NOT NULL,
	unanswered INTEGER NOT NULL,
	due INTEGER NOT NULL,
	ended INTEGER NOT NULL
) STRICT;
CREATE INDEX progress_dead ON progress (route, seq) WHERE state = 2;

CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT;
INSERT INTO numbers WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 511) SELECT n FROM c;
`

// batchEnd removes the tables that batchSchema replaces.
const batchEnd = `
INSERT INTO progress SELECT seq, route, state, claim, attempts, redelivered, unanswered, due, ended FROM events
	WHERE state <> 0 OR claim <> 0 OR attempts <> 0 OR redelivered <> 0 OR due <> 0;
DROP TABLE events;
DROP TABLE payloads;
`

// toBatches moves the events of an earlier version into batches: neighbours of
// one route and one commit.
func toBatches(conn *sqlite.Conn) error {
	stmt, err := conn.Prepare(`SELECT e.seq, e.route, e.accepted, e.state = 0, e.lane, e.kind, e.time, e.refilled, e.id, e.subject, e.okey,
		e.trace, e.until, e.digest, p.data FROM events e LEFT JOIN payloads p USING (seq) ORDER BY e.seq`)
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	m := mover{conn: conn}
	for {
		row, err := stmt.Step()
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if !row {
			break
		}
		if err := m.add(stmt); err != nil {
			return err
		}
	}
	if err := m.flush(); err != nil {
		return err
	}
	return executeAll(conn, batchEnd)
}

// mover gathers old rows into a batch.
type mover struct {
	conn *sqlite.Conn
	batch
	open         int
	packed, body []byte
	bodied       bool
}

func (m *mover) add(s *sqlite.Stmt) error {
	seq, route, accepted := s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnInt64(2)
	if m.n > 0 && (m.route != route || m.accepted != accepted || m.first+int64(m.n) != seq || m.n == batchEvents || len(m.body) > batchBytes) {
		if err := m.flush(); err != nil {
			return err
		}
	}
	if m.n == 0 {
		m.batch = batch{first: seq, route: route, accepted: accepted}
		m.open, m.packed, m.body, m.bodied = 0, append(m.packed[:0], traitsFormat), m.body[:0], false
	}
	t := traits{
		lane: s.ColumnInt(4) % delivery.Lanes, kind: s.ColumnInt64(5), time: s.ColumnInt64(6), refilled: s.ColumnBool(7),
		id: s.ColumnText(8), subject: s.ColumnText(9), key: s.ColumnText(10), trace: s.ColumnText(11), until: s.ColumnInt64(12),
	}
	s.ColumnBytes(13, t.digest[:])
	if data := columnBytes(s, 14); data == nil {
		t.bare = true
	} else {
		t.size, m.bodied = len(data), true
		m.body = append(m.body, data...)
	}
	m.n++
	m.open += s.ColumnInt(3)
	m.until = max(m.until, t.until)
	m.packed = t.encode(m.packed, accepted)
	return nil
}

func (m *mover) flush() error {
	if m.n == 0 {
		return nil
	}
	if err := execute(m.conn, "INSERT INTO batches (first, n, route, open, accepted, until) VALUES (?, ?, ?, ?, ?, ?)",
		m.first, m.n, m.route, m.open, m.accepted, m.until); err != nil {
		return err
	}
	if err := execute(m.conn, "INSERT INTO traits (first, data) VALUES (?, ?)", m.first, m.packed); err != nil {
		return err
	}
	m.n = 0
	if !m.bodied {
		return nil
	}
	return execute(m.conn, "INSERT INTO bodies (first, data) VALUES (?, ?)", m.first, m.body)
}
