package contract

import (
	"errors"
	"log/slog"
	"time"
)

// Config says how to open a store. Zero values mean the defaults.
type Config struct {
	// URL is a file path or "sqlite:<path>" for SQLite, "postgres://..." or
	// "postgresql://..." for PostgreSQL. It may hold a password and is never logged.
	URL string
	// Owner names this process to people and to others that want the store.
	Owner string
	// Inspect opens the store to look: a SQLite file may belong to a running
	// gateway, nothing is created, and writes are refused, except that Redrive
	// takes the ownership for a moment when nobody has it.
	Inspect bool
	// Logger receives state changes; nil discards them.
	Logger *slog.Logger
	// Now is the clock. Nil means the system's (SQLite) or the server's
	// (PostgreSQL, so that processes with differing clocks agree on leases).
	Now func() time.Time
	// Poll is how often a waiting Claim looks again without having been woken:
	// it bounds how late a due time or an expired lease is noticed. Default 1 s.
	Poll time.Duration
	// Memory bounds the payload bytes that are kept at hand for claims of events
	// just appended; the rest is read back. Default 32 MiB.
	Memory int64

	// Window bounds how many waiting events per route (per lane, where ordered)
	// SQLite keeps in memory. Default 8192 and 128.
	Window int

	// EphemeralDisk says that this machine's disk is wiped at every restart, as
	// a Heroku dyno's is. SQLite is refused there unless AllowEphemeral is set.
	EphemeralDisk bool
	// AllowEphemeral accepts the loss of all that waits at a restart.
	AllowEphemeral bool

	// Trail says which routes have an audit trail.
	Trail TrailScope

	// Schema is the PostgreSQL schema that holds the tables. Default "sallyport".
	Schema string
	// Connections bounds the PostgreSQL pool. Default 8.
	Connections int
	// StatementTimeout bounds one PostgreSQL statement. Default 30 s.
	StatementTimeout time.Duration
	// Patience is how long a write is tried again while PostgreSQL is away.
	// Default 10 s; negative means not at all.
	Patience time.Duration
}

// WithDefaults returns c with zero values replaced.
func (c Config) WithDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Owner == "" {
		c.Owner = "sallyport"
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.Memory == 0 {
		c.Memory = 32 << 20
	}
	if c.Schema == "" {
		c.Schema = "sallyport"
	}
	if c.Connections == 0 {
		c.Connections = 8
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = 30 * time.Second
	}
	return c
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.URL == "" {
		errs = append(errs, errors.New("store: no path or URL given"))
	}
	if c.Poll < 0 {
		errs = append(errs, errors.New("store: poll interval is negative"))
	}
	if c.Memory < 0 {
		errs = append(errs, errors.New("store: memory bound is negative"))
	}
	if c.Connections < 0 || c.Connections == 1 {
		errs = append(errs, errors.New("store: PostgreSQL needs at least 2 connections"))
	}
	if c.StatementTimeout < 0 {
		errs = append(errs, errors.New("store: statement timeout is negative"))
	}
	return errors.Join(errs...)
}
