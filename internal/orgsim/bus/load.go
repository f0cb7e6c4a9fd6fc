package bus

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// load takes over what an earlier run left in the file. It runs before anybody
// else has the bus.
func (b *Bus) load() error {
	if b.file == nil {
		return nil
	}
	for query, row := range map[string]func(*sqlite.Stmt) error{
		"SELECT id, json FROM schema":           b.loadSchema,
		"SELECT position, at FROM mark":         b.loadMark,
		"SELECT json FROM managed":              b.loadManaged,
		"SELECT * FROM event ORDER BY position": b.loadEvent,
	} {
		if err := sqlitex.Execute(b.file.conn, query, &sqlitex.ExecOptions{ResultFunc: row}); err != nil {
			return fmt.Errorf("load event file: %w", err)
		}
	}
	// Channels come before their members, as their kinds sort.
	declared := "SELECT kind, json FROM declared ORDER BY kind, id"
	if err := sqlitex.Execute(b.file.conn, declared, &sqlitex.ExecOptions{ResultFunc: b.loadDeclared}); err != nil {
		return fmt.Errorf("load event file: %w", err)
	}
	slices.SortFunc(b.issued, func(x, y mark) int {
		if x.position < y.position {
			return -1
		}
		return 1
	})
	if n := len(b.issued); n > 0 {
		b.tip = b.issued[n-1].position
	}
	return nil
}

func (b *Bus) loadSchema(row *sqlite.Stmt) error {
	b.schemas[row.ColumnText(0)] = row.ColumnText(1)
	return nil
}

func (b *Bus) loadMark(row *sqlite.Stmt) error {
	b.issued = append(b.issued, mark{position: Position(row.ColumnInt64(0)), at: time.UnixMilli(row.ColumnInt64(1))})
	return nil
}

func (b *Bus) loadManaged(row *sqlite.Stmt) error {
	s := &ManagedSubscription{}
	if err := json.Unmarshal([]byte(row.ColumnText(0)), s); err != nil {
		return fmt.Errorf("read managed subscription: %w", err)
	}
	b.managed[s.ID] = s
	return nil
}

func (b *Bus) loadEvent(row *sqlite.Stmt) error {
	payload, err := io.ReadAll(row.GetReader("payload"))
	if err != nil {
		return fmt.Errorf("read payload: %w", err)
	}
	e := &Event{
		Position: Position(row.GetInt64("position")), ID: row.GetText("id"), SchemaID: row.GetText("schema_id"),
		Payload: payload, At: time.UnixMilli(row.GetInt64("at")), Duplicate: row.GetBool("duplicate"),
	}
	if err := json.Unmarshal([]byte(row.GetText("headers")), &e.Headers); err != nil {
		return fmt.Errorf("read headers: %w", err)
	}
	b.issued = append(b.issued, mark{position: e.Position, at: e.At})
	for name := range strings.FieldsSeq(row.GetText("topics")) {
		log, ok := b.topics[name]
		if !ok { // the topic is no longer declared; its events stay readable
			log = newTopicLog(Topic{Name: name})
			b.topics[name] = log
		}
		log.append(e)
	}
	return nil
}
