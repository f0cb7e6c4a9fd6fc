package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// layout is the file's schema. Times are epoch milliseconds.
const layout = `
CREATE TABLE IF NOT EXISTS event (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL, schema_id TEXT NOT NULL, topics TEXT NOT NULL,
  payload BLOB NOT NULL, headers TEXT NOT NULL, at INTEGER NOT NULL, duplicate INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE TABLE IF NOT EXISTS mark (position INTEGER PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS schema (id TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS managed (id TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS declared (kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, id));
`

// file keeps a bus over a restart. Its methods on a nil file do nothing: that is
// a bus in memory. Bus.appending guards it.
type file struct{ conn *sqlite.Conn }

func openFile(ctx context.Context, path string) (*file, error) {
	conn, err := sqlite.OpenConn(path)
	if err != nil {
		return nil, fmt.Errorf("open event file: %w", err)
	}
	conn.SetInterrupt(ctx.Done())
	err = prepare(conn)
	conn.SetInterrupt(nil)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare event file: %w", err)
	}
	return &file{conn: conn}, nil
}

// prepare sets the file up. NORMAL survives the death of the process, which is
// what a simulator promises.
func prepare(conn *sqlite.Conn) error {
	for _, pragma := range []string{"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return err
		}
	}
	return sqlitex.ExecuteScript(conn, layout, nil)
}

func (f *file) close() error { return f.conn.Close() }

func (f *file) exec(query string, args ...any) error {
	return sqlitex.Execute(f.conn, query, &sqlitex.ExecOptions{Args: args})
}

// saveEvents writes entries and removes what is older than cutoff, in one transaction.
func (f *file) saveEvents(entries []entry, cutoff time.Time) (err error) {
	if f == nil {
		return nil
	}
	end, err := sqlitex.ImmediateTransaction(f.conn)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer end(&err)
	for _, e := range entries {
		if err := f.saveEvent(e); err != nil {
			return err
		}
	}
	if err := f.exec("DELETE FROM event WHERE at < ?", cutoff.UnixMilli()); err != nil {
		return err
	}
	return f.exec("DELETE FROM mark WHERE at < ? AND position < (SELECT max(position) FROM mark)", cutoff.UnixMilli())
}

func (f *file) saveEvent(e entry) error {
	headers, err := json.Marshal(e.event.Headers)
	if err != nil {
		return fmt.Errorf("write headers: %w", err)
	}
	payload := e.event.Payload
	if payload == nil {
		payload = []byte{}
	}
	return f.exec("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		int64(e.event.Position), e.event.ID, e.event.SchemaID, strings.Join(e.topics, " "),
		payload, string(headers), e.event.At.UnixMilli(), e.event.Duplicate)
}

func (f *file) saveMark(m mark) error {
	if f == nil {
		return nil
	}
	return f.exec("INSERT OR REPLACE INTO mark VALUES (?, ?)", int64(m.position), m.at.UnixMilli())
}

func (f *file) saveSchemas(topics []Topic) error {
	if f == nil {
		return nil
	}
	for _, t := range topics {
		if t.Schema == nil {
			continue
		}
		if err := f.exec("INSERT OR IGNORE INTO schema VALUES (?, ?)", t.Schema.ID, t.Schema.JSON); err != nil {
			return fmt.Errorf("write schema: %w", err)
		}
	}
	return nil
}

func (f *file) saveManaged(s *ManagedSubscription) error {
	if f == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write managed subscription: %w", err)
	}
	return f.exec("INSERT OR REPLACE INTO managed VALUES (?, ?)", string(s.ID), string(text))
}
