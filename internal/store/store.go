// Package store opens the durable state of the engines: buffers, positions,
// gaps, ledgers, idempotency keys and leases, behind one interface with two
// engines, SQLite and PostgreSQL.
//
// It chooses the engine; it does not know how either works, and it decides
// nothing about delivery. The invariant a stranger would break: an engine is
// reached only through [Store], so that whatever one engine can do beyond the
// conformance suite stays unused.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/postgres"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

// The words of the store, for those who only open and use it.
type (
	// Store is the durable state of all engines.
	Store = contract.Store
	// Config says how to open a store.
	Config = contract.Config
	// Retention says how long delivered events are kept.
	Retention = contract.Retention
	// Swept is what a sweep removed.
	Swept = contract.Swept
)

// The errors of opening and of calls that cannot be served.
var (
	// ErrClosed is returned by calls on a closed store.
	ErrClosed = contract.ErrClosed
	// ErrInspecting is wrapped by writes on a store that was opened to look only.
	ErrInspecting = contract.ErrInspecting
	// ErrOwned is wrapped when another process owns the store.
	ErrOwned = contract.ErrOwned
)

// Open opens the store that cfg.URL names and brings its tables up to date. It
// blocks until the store is ready to be used or ctx is done. The caller closes
// the store.
func Open(ctx context.Context, cfg Config) (Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, refuse(err, "give a file path, sqlite:<path> or postgres://user:password@host/database")
	}
	engine, rest, err := split(cfg.URL)
	if err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if engine == enginePostgres {
		return opened(postgres.Open(ctx, cfg))
	}
	cfg.URL = rest
	if cfg.EphemeralDisk && !cfg.AllowEphemeral && !cfg.Inspect {
		return nil, refuse(errors.New("this machine's disk is wiped at every restart"),
			"use PostgreSQL (store: ${DATABASE_URL}); or allow the loss of waiting events explicitly")
	}
	return opened(sqlite.Open(ctx, cfg))
}

// Shared reports whether several processes may have the store that a URL names.
func Shared(url string) bool {
	engine, _, err := split(url)
	return err == nil && engine == enginePostgres
}

// opened keeps a nil pointer of an engine from becoming a non-nil Store.
func opened[S Store](s S, err error) (Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

const (
	engineSQLite   = "sqlite"
	enginePostgres = "postgres"
)

// split says which engine a URL names, and for SQLite the file's path.
func split(raw string) (engine, path string, err error) {
	scheme, rest, found := strings.Cut(raw, ":")
	switch {
	case found && (scheme == "postgres" || scheme == "postgresql"):
		if u, err := url.Parse(raw); err != nil || u.Scheme == "" || !strings.HasPrefix(rest, "//") {
			// The parse error would quote the URL with its password.
			return "", "", refuse(errors.New("malformed PostgreSQL URL"), "write it as postgres://user:password@host:port/database")
		}
		return enginePostgres, "", nil
	case found && scheme == "sqlite":
		rest = strings.TrimPrefix(rest, "//")
		if rest == "" {
			return "", "", refuse(errors.New("sqlite: names no file"), "write it as sqlite:<path>")
		}
		return engineSQLite, rest, nil
	case found && strings.HasPrefix(rest, "//"):
		return "", "", refuse(fmt.Errorf("no store engine is called %q", scheme),
			"give a file path, sqlite:<path> or postgres://user:password@host/database")
	}
	return engineSQLite, raw, nil
}

func refuse(err error, hint string) error {
	return &event.Error{Op: "open store", Happened: event.HappenedNo, Healing: event.Permanent, Hint: hint, Err: err}
}
