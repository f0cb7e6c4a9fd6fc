package sqlite

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"zombiezen.com/go/sqlite"
)

const (
	// walKick is the size of the log from which it is copied into the file.
	walKick = 16 << 20
	// walCap is the size from which commits wait for the copy. Only a reader that
	// stays for long, or a disk that cannot keep up, lets it come to that.
	walCap = 256 << 20
)

// wal keeps the write-ahead log short without stalling commits: a connection of
// its own copies the bulk into the file; the writer, between two commits,
// copies the little that came meanwhile, and only then can the log begin anew.
type wal struct {
	conn   *sqlite.Conn
	index  *os.File // the index beside the log
	logger *slog.Logger
	kick   chan struct{} // capacity 1
	copied atomic.Bool   // the bulk is done
	busy   atomic.Bool   // a copy is asked for or under way
	done   chan struct{}
	// grown remembers that the cap was reported. Only the writer touches it.
	grown bool
}

func openWAL(path string, logger *slog.Logger) (*wal, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint connection: %w", err)
	}
	conn.SetBusyTimeout(0)
	if err := execute(conn, "PRAGMA synchronous = FULL"); err != nil {
		return nil, closing(conn, err)
	}
	index, err := os.Open(path + "-shm")
	if err != nil {
		return nil, closing(conn, fmt.Errorf("open log index: %w", err))
	}
	return &wal{conn: conn, index: index, logger: logger, kick: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// loop copies the log whenever it is asked to.
func (l *wal) loop() {
	defer close(l.done)
	for range l.kick {
		if err := execute(l.conn, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
			l.logger.Warn("store log not copied back", "err", err)
		}
		l.copied.Store(true)
		l.busy.Store(false)
	}
}

// tend looks after the log between two commits; conn is the writer's.
func (l *wal) tend(conn *sqlite.Conn) {
	size := l.size()
	switch {
	case size >= walCap:
		l.copied.Store(false)
		l.shrink(conn)
	case size < walKick:
	case l.copied.CompareAndSwap(true, false):
		_ = execute(conn, "PRAGMA wal_checkpoint(PASSIVE)") // the next kick tries again
	case l.busy.CompareAndSwap(false, true):
		l.kick <- struct{}{}
	}
}

// shrink waits for the copy, and reports when even that does not help.
func (l *wal) shrink(conn *sqlite.Conn) {
	err := execute(conn, "PRAGMA wal_checkpoint(TRUNCATE)")
	if l.size() < walCap {
		l.grown = false
		return
	}
	if !l.grown {
		l.grown = true
		l.logger.Warn("store log keeps growing: a reader holds on to it", "bytes", l.size(), "err", err)
	}
}

// size returns the bytes of the log in use. The file itself stays as long as it
// ever was; the number of valid frames is in the index
// (https://www.sqlite.org/walformat.html, mxFrame, in native byte order).
func (l *wal) size() int64 {
	var frames [4]byte
	if _, err := l.index.ReadAt(frames[:], 16); err != nil {
		return 0
	}
	return int64(binary.NativeEndian.Uint32(frames[:])) * (pageSize + 24)
}

func (l *wal) stop() {
	close(l.kick)
	<-l.done
	_ = l.index.Close()
	_ = l.conn.Close()
}
