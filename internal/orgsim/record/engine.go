package record

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Config is what an engine needs.
type Config struct {
	Catalog *schema.Catalog
	// Dir keeps the rows in a file there, so that the org survives a restart;
	// empty keeps them in memory.
	Dir string
	// Now is the org's clock; time.Now unless set.
	Now func() time.Time
	// Listener is told of every commit; nil for none. It is called with the engine
	// locked and must not call back into it.
	Listener Listener
	// Before is asked about every write of a record, with the context that the
	// transaction was begun with; an error refuses that write only. Nil allows all.
	// It is called with the engine locked and must not call back into it.
	Before func(ctx context.Context, w Write) error
}

// WithDefaults fills in the clock.
func (c Config) WithDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Catalog == nil {
		return errors.New("record engine needs a catalog")
	}
	return nil
}

// Engine keeps the rows of one org. One transaction runs at a time, reads
// included: a simulated org is judged by its answers, and one connection makes
// every answer a consistent one. Safe for concurrent use.
type Engine struct {
	cfg    Config
	tables map[*schema.Object]*table

	// turn is held by the one transaction or query that owns conn. It is a channel
	// so that a waiter can give up with its context.
	turn chan struct{}
	conn *sqlite.Conn

	emptied time.Time // when the recycle bin was last looked through

	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// Open opens or creates the org's rows. A stored org whose key prefixes differ
// from the catalog's is refused, since its Ids would name other objects.
func Open(cfg Config) (*Engine, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	path := ":memory:"
	if cfg.Dir != "" {
		path = filepath.Join(cfg.Dir, "org.db")
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open org rows: %w", err)
	}
	e := &Engine{cfg: cfg, conn: conn, turn: make(chan struct{}, 1), closed: make(chan struct{}), tables: map[*schema.Object]*table{}}
	if err := e.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if types, ok := cfg.Catalog.Object("RecordType"); ok {
		if _, err := e.Load(context.Background(), types, recordTypeRows(cfg.Catalog)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return e, nil
}

const (
	// binLife is how long deleted records stay in the recycle bin.
	binLife = 15 * 24 * time.Hour
	// binRound is how often, in the org's time, the bin is looked through.
	binRound = time.Hour
)

// ErrClosed is returned by everything that needs an engine that is closed.
var ErrClosed = errors.New("record engine is closed")

// Close waits for the running transaction and closes the database. Those who
// wait, and those who come later, get [ErrClosed]. Calling it twice is harmless.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() {
		close(e.closed)
		e.turn <- struct{}{} // never given back
		e.closeErr = e.conn.Close()
		e.conn = nil
	})
	return e.closeErr
}

// Catalog returns the org's catalog.
func (e *Engine) Catalog() *schema.Catalog { return e.cfg.Catalog }

func (e *Engine) prepare() error {
	if err := soql.Register(e.conn); err != nil {
		return err
	}
	if err := soql.RegisterClock(e.conn, e.cfg.Now); err != nil {
		return err
	}
	// An org needs to survive its process, not a power cut: no sync per commit.
	for _, pragma := range []string{"PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF", "PRAGMA temp_store=MEMORY"} {
		if err := sqlitex.ExecuteTransient(e.conn, pragma, nil); err != nil {
			return fmt.Errorf("set up org rows: %w", err)
		}
	}
	end, err := sqlitex.ImmediateTransaction(e.conn)
	if err != nil {
		return fmt.Errorf("set up org rows: %w", err)
	}
	err = e.createTables()
	end(&err)
	return err
}

func (e *Engine) createTables() error {
	const meta = `CREATE TABLE IF NOT EXISTS "_objects" ("name" TEXT PRIMARY KEY, "prefix" TEXT NOT NULL)`
	for _, statement := range []string{meta, clearedTable} {
		if err := sqlitex.ExecuteTransient(e.conn, statement, nil); err != nil {
			return fmt.Errorf("set up org rows: %w", err)
		}
	}
	for _, o := range e.cfg.Catalog.Objects() {
		if o.Kind != schema.Record {
			continue
		}
		t := newTable(e.cfg.Catalog, o)
		if err := e.checkPrefix(o); err != nil {
			return err
		}
		if err := t.create(e.conn); err != nil {
			return err
		}
		if err := t.recall(e.conn); err != nil {
			return err
		}
		e.tables[o] = t
	}
	return nil
}

func (e *Engine) checkPrefix(o *schema.Object) error {
	stored := o.KeyPrefix
	err := sqlitex.ExecuteTransient(e.conn, `INSERT INTO "_objects" VALUES (?1, ?2) ON CONFLICT DO UPDATE SET "prefix"="prefix" RETURNING "prefix"`,
		&sqlitex.ExecOptions{Args: []any{o.Name, o.KeyPrefix}, ResultFunc: func(stmt *sqlite.Stmt) error {
			stored = stmt.ColumnText(0)
			return nil
		}})
	if err == nil && stored != o.KeyPrefix {
		err = fmt.Errorf("object %s had key prefix %s when this org was stored and has %s now; set keyPrefix: %s in the schema",
			o.Name, stored, o.KeyPrefix, stored)
	}
	return err
}

// lock waits for the engine or for the end of ctx.
func (e *Engine) lock(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-e.closed:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for the org: %w", context.Cause(ctx))
	}
}

func (e *Engine) unlock() { <-e.turn }

// Do runs fn in one transaction and commits when it returns nil, rolls back
// otherwise. It blocks while another transaction runs.
func (e *Engine) Do(ctx context.Context, actor Actor, fn func(*Tx) error) error {
	tx, err := e.Begin(ctx, actor)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// InsertMany creates rows of one object in one transaction, all or none.
func (e *Engine) InsertMany(ctx context.Context, actor Actor, o *schema.Object, rows []Row) ([]salesforce.ID, error) {
	ids := make([]salesforce.ID, 0, len(rows))
	err := e.Do(ctx, actor, func(tx *Tx) error {
		for i, row := range rows {
			id, err := tx.Create(o, row)
			if err != nil {
				return fmt.Errorf("insert %s row %d: %w", o.Name, i, err)
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Load puts rows in as they are, for what an org holds before anyone talks to
// it: its Organization, its users, history with dates of its own. Rows may set
// any field, system fields and Id included; rows whose Id exists are left alone.
// Values are converted but not validated against other rows, and the listener
// hears nothing.
func (e *Engine) Load(ctx context.Context, o *schema.Object, rows []Row) ([]salesforce.ID, error) {
	tx, err := e.Begin(ctx, Actor{})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	ids := make([]salesforce.ID, 0, len(rows))
	for i, in := range rows {
		id, err := tx.load(o, in)
		if err != nil {
			return nil, fmt.Errorf("load %s row %d: %w", o.Name, i, err)
		}
		ids = append(ids, id)
	}
	return ids, tx.Commit()
}

// recall reads the counters of a stored table.
func (t *table) recall(conn *sqlite.Conn) error {
	query := `SELECT COALESCE(MAX("Id" COLLATE BINARY), ''), COUNT(*) FROM ` + soql.Quote(t.object.Name) + ` WHERE "Id" LIKE ?`
	return sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		Args: []any{t.object.KeyPrefix + pod + "%"},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			t.last, t.numbers = counterOf(stmt.ColumnText(0)), stmt.ColumnInt64(1)
			return nil
		},
	})
}

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// pod is characters 4 to 6 of every Id this engine gives.
	pod       = "Sp0"
	counterAt = 6
)

// nextID gives the object's next Id. Numbers of rolled-back creates are not used again.
func (t *table) nextID() salesforce.ID {
	t.last++
	id := []byte(t.object.KeyPrefix + pod + "000000000")
	for n, i := t.last, len(id)-1; n > 0 && i >= counterAt; i-- {
		id[i] = base62[n%62]
		n /= 62
	}
	full, err := salesforce.ParseID(string(id))
	if err != nil {
		panic(fmt.Sprintf("make an id for %s: %v", t.object.Name, err)) // key prefixes are checked by the schema
	}
	return full
}

// reserve keeps an Id that was given from being given again, if it is one of ours.
func (t *table) reserve(id string) {
	if strings.HasPrefix(id, t.object.KeyPrefix+pod) {
		t.last = max(t.last, counterOf(id))
	}
}

// counterOf reads the counter back from an Id; 0 when there is none.
func counterOf(id string) uint64 {
	var n uint64
	for i := counterAt; i < min(len(id), 15); i++ {
		n = n*62 + uint64(max(strings.IndexByte(base62, id[i]), 0))
	}
	return n
}

// nextNumber gives the next auto number in the field's format.
func (t *table) nextNumber(format string) string {
	open := strings.LastIndexByte(format, '{')
	end := strings.LastIndexByte(format, '}')
	if open < 0 || end < open {
		return fmt.Sprint(t.numbers)
	}
	width := end - open - 1
	return fmt.Sprintf("%s%0*d%s", format[:open], width, t.numbers, format[end+1:])
}
