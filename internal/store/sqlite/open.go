package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Open opens the store file at cfg.URL, a plain path, as its owner, or to look
// at it when cfg.Inspect is set.
func Open(ctx context.Context, cfg contract.Config) (contract.Store, error) {
	cfg = cfg.WithDefaults()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	path, err := filepath.Abs(cfg.URL)
	if err != nil {
		return nil, refused(cfg.URL, err)
	}
	if cfg.Inspect {
		return inspect(path, cfg)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, refused(path, err)
	}
	return openOwner(path, cfg)
}

// openOwner opens the file for writing.
func openOwner(path string, cfg contract.Config) (_ *Store, err error) {
	s := &Store{path: path, closed: make(chan struct{})}
	var undo []func()
	defer func() {
		if err != nil {
			for i := len(undo) - 1; i >= 0; i-- {
				undo[i]()
			}
		}
	}()
	if err := createPrivate(path, path+"-owner"); err != nil {
		return nil, refused(path, err)
	}
	if s.owner, err = own(path); err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = s.owner.release() })
	conn, err := openWriter(path)
	if err != nil {
		return nil, refused(path, err)
	}
	undo = append(undo, func() { _ = conn.Close() })
	if err := migrate(conn); err != nil {
		return nil, refused(path, err)
	}
	w, err := newWriter(conn, cfg)
	if err != nil {
		return nil, refused(path, err)
	}
	if s.pool, err = openPool(path, readers); err != nil {
		return nil, refused(path, err)
	}
	undo = append(undo, s.pool.close)
	if s.wal, err = openWAL(path, cfg.Logger); err != nil {
		return nil, refused(path, err)
	}
	w.wal, s.writer = s.wal, w
	s.archive.stopped, s.archive.now = s.closed, w.now
	go w.loop()
	go s.wal.loop()
	return s, nil
}

// createPrivate creates missing files readable by this user alone, because they
// hold payloads; SQLite gives its write-ahead log the mode of the file it
// belongs to. A file that is there keeps the mode somebody gave it.
func createPrivate(files ...string) error {
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// refused says why a file cannot be opened.
func refused(path string, err error) error {
	if e := (*event.Error)(nil); errors.As(err, &e) {
		return err
	}
	hint := "check that the folder exists and may be written"
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultNotADB:
		hint = "the file is not a store: name another one"
	case sqlite.ResultCorrupt:
		hint = "the file is damaged: restore it from a copy"
	}
	return &event.Error{
		Op: "open store " + path, Happened: event.HappenedNo, Healing: event.Permanent, Hint: hint, Err: err,
	}
}

// newWriter readies the writing connection: it makes void what an earlier
// owner's claims and leases held, and finds where the numbers go on.
func newWriter(conn *sqlite.Conn, cfg contract.Config) (*writer, error) {
	w := &writer{
		conn: conn, rooms: newRooms(cfg.Memory), poll: cfg.Poll, logger: cfg.Logger, now: cfg.Now,
		routes: map[string]int64{}, kinds: map[kind]int64{}, kindsByNumber: map[int64]kind{},
		shelf: newShelf(), memories: newMemories(), trail: cfg.Trail, owner: cfg.Owner,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if w.now == nil {
		w.now = time.Now
	}
	w.rooms.window = cfg.Window
	var err error
	if w.epoch, err = resultInt(conn, "SELECT coalesce((SELECT value FROM meta WHERE name = 'epoch'), 0) + 1"); err != nil {
		return nil, fmt.Errorf("read epoch: %w", err)
	}
	w.token = w.epoch << epochShift
	if w.seq, err = resultInt(conn, `SELECT max(coalesce((SELECT max(first + n) - 1 FROM batches), 0),
		coalesce((SELECT value FROM meta WHERE name = 'seq'), 0))`); err != nil {
		return nil, fmt.Errorf("read last sequence number: %w", err)
	}
	if w.stmts, err = prepare(conn); err != nil {
		return nil, err
	}
	if err := w.memories.restore(conn, w.now().UnixMicro()); err != nil {
		return nil, fmt.Errorf("gather remembered ids: %w", err)
	}
	return w, w.takeOver(cfg.Owner)
}

// epochShift leaves room for 2^40 claims in the life of one owner.
const epochShift = 40

// takeOver writes down the new owner. Whoever held a lease of this file lives
// no longer: their successors need not wait for it.
func (w *writer) takeOver(owner string) error {
	if err := execute(w.conn, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	for _, f := range []func() error{
		func() error { return setMeta(w.conn, "epoch", w.epoch) },
		func() error { return setMeta(w.conn, "owner", fmt.Sprintf("%s (process %d)", owner, os.Getpid())) },
		func() error { return execute(w.conn, "UPDATE leases SET until = 0") },
		w.noteTrail,
		func() error { return execute(w.conn, "COMMIT") },
	} {
		if err := f(); err != nil {
			return fmt.Errorf("take over: %w", err)
		}
	}
	return nil
}
