package pg

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Config says how to reach a server. Zero values mean the defaults.
type Config struct {
	// URL is a connection string; it may hold a password and is never logged.
	URL string
	// Name is the application name that the server shows for the connections.
	Name string
	// Connections bounds the pool. Default 8; a few more are no faster, and 64
	// are slower than 4.
	Connections int
	// StatementTimeout bounds one statement. Default 30 s.
	StatementTimeout time.Duration
	// IdleInTransaction is how long the server keeps an open transaction whose
	// client says nothing: a process that was paused or cut off in the middle of
	// one must not hold its locks, or nobody could take over its leases. Default 5 s.
	IdleInTransaction time.Duration
	// Patience is how long a write is tried again while the server is away.
	// Default 10 s; negative means not at all.
	Patience time.Duration
	// Settings are server parameters for every connection.
	Settings map[string]string
	// Logger receives state changes; nil discards them.
	Logger *slog.Logger
}

// WithDefaults returns c with zero values replaced.
func (c Config) WithDefaults() Config {
	if c.Name == "" {
		c.Name = "sallyport"
	}
	if c.Connections == 0 {
		c.Connections = 8
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = 30 * time.Second
	}
	if c.IdleInTransaction == 0 {
		c.IdleInTransaction = 5 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.URL == "" {
		errs = append(errs, errors.New("pg: no URL given"))
	}
	if c.Connections < 0 {
		errs = append(errs, errors.New("pg: number of connections is negative"))
	}
	if c.StatementTimeout < 0 || c.IdleInTransaction < 0 {
		errs = append(errs, errors.New("pg: a timeout is negative"))
	}
	return errors.Join(errs...)
}

// parameters are the settings that each connection makes.
func (c Config) parameters() map[string]string {
	p := map[string]string{
		"application_name":                    c.Name,
		"statement_timeout":                   fmt.Sprint(c.StatementTimeout.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(c.IdleInTransaction.Milliseconds()),
		"timezone":                            "UTC",
	}
	for name, value := range c.Settings {
		p[name] = value
	}
	return p
}

// parse reads the connection string without ever quoting it.
func (c Config) parse() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, malformed()
	}
	cfg.MaxConns = int32(c.Connections)
	return cfg, nil
}

// parseConn is parse for a single connection.
func (c Config) parseConn() (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, malformed()
	}
	return cfg, nil
}

func malformed() error {
	return &event.Error{
		Op: "read PostgreSQL URL", Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: "write it as postgres://user:password@host:port/database",
		Err:  errors.New("malformed connection string"),
	}
}
