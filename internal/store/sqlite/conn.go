package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

const (
	// pageSize fits a dozen 1 KB payloads; 4 KiB pages would waste a quarter.
	pageSize = 16384
	// busyTimeout bounds waits for locks that only the checkpoint takes.
	busyTimeout = 5 * time.Second
	// readers is the number of connections that serve reads.
	readers = 2
)

// openWriter opens the connection that alone changes the file.
func openWriter(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	for _, q := range []string{
		fmt.Sprintf("PRAGMA page_size = %d", pageSize),
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0",
		"PRAGMA cache_size = -32768",
		"PRAGMA temp_store = MEMORY",
	} {
		if err := execute(conn, q); err != nil {
			return nil, closing(conn, fmt.Errorf("%s: %w", q, err))
		}
	}
	return conn, nil
}

// openReader opens a connection that cannot change the file. It opens it for
// writing all the same, because a reader of a write-ahead log keeps locks
// beside the file.
func openReader(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	for _, q := range []string{"PRAGMA query_only = 1", "PRAGMA wal_autocheckpoint = 0", "PRAGMA cache_size = -4096"} {
		if err := execute(conn, q); err != nil {
			return nil, closing(conn, fmt.Errorf("%s: %w", q, err))
		}
	}
	return conn, nil
}

// closing closes conn and returns err.
func closing(conn *sqlite.Conn, err error) error {
	_ = conn.Close()
	return err
}

// pool lends the reading connections.
type pool struct {
	conns chan *sqlite.Conn
	size  int
}

func openPool(path string, size int) (*pool, error) {
	p := &pool{conns: make(chan *sqlite.Conn, size), size: size}
	for range size {
		conn, err := openReader(path)
		if err != nil {
			p.size = len(p.conns)
			p.close()
			return nil, err
		}
		p.conns <- conn
	}
	return p, nil
}

// read runs f in one read transaction: all that f sees is of one moment. A
// cancelled ctx interrupts it.
func (p *pool) read(ctx context.Context, closed <-chan struct{}, f func(*sqlite.Conn) error) (err error) {
	var conn *sqlite.Conn
	select {
	case <-closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	case conn = <-p.conns:
	}
	defer func() { p.conns <- conn }()
	conn.SetInterrupt(ctx.Done())
	defer conn.SetInterrupt(nil)
	if err := execute(conn, "BEGIN"); err != nil {
		return readFailure(ctx, err)
	}
	defer func() {
		conn.SetInterrupt(nil)
		if endErr := execute(conn, "ROLLBACK"); err == nil && endErr != nil {
			err = endErr
		}
	}()
	return readFailure(ctx, f(conn))
}

// readFailure names the caller's own cancellation instead of SQLite's
// "interrupted".
func readFailure(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// close waits for reads in progress and closes all connections.
func (p *pool) close() {
	for range p.size {
		_ = (<-p.conns).Close()
	}
}
