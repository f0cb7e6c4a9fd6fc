package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/pg"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

//go:embed migrations/*.sql
var migrations embed.FS

// shards is the number of ledger rows per route. A transaction picks one at
// random, so that transactions seldom wait for each other's.
const shards = 16

// Store is a schema of a PostgreSQL database. It is safe for concurrent use, in
// several processes.
type Store struct {
	cfg     contract.Config
	pool    *pg.Pool
	prefix  string // the quoted schema and a dot
	appends *group[*appendCall]
	settles *group[*settleCall]
	accepts *group[*acceptCall]
	names   names
	wakes   *wakes
	recent  *recent
	sql     sync.Map // statements by their unqualified text

	once   sync.Once
	closed chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

var _ contract.Store = (*Store)(nil)

// Open connects to the server that cfg.URL names and brings the schema up to date.
func Open(ctx context.Context, cfg contract.Config) (*Store, error) {
	cfg = cfg.WithDefaults()
	wire := pg.Config{
		URL: cfg.URL, Name: cfg.Owner, Connections: cfg.Connections - 1, StatementTimeout: cfg.StatementTimeout,
		Patience: cfg.Patience, Logger: cfg.Logger,
		// Statistics of a queue lag behind it: a plan made for an empty table
		// must not read a full one through, and what is in order must be read in order.
		Settings: map[string]string{"enable_seqscan": "off", "enable_bitmapscan": "off"},
	}
	if !cfg.Inspect {
		files, err := fs.Sub(migrations, "migrations")
		if err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		if err := pg.Migrate(ctx, wire, cfg.Schema, files); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	pool, err := pg.Open(ctx, wire)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{cfg: cfg, pool: pool, prefix: pgx.Identifier{cfg.Schema}.Sanitize() + ".", closed: make(chan struct{}), wakes: newWakes(), recent: newRecent(cfg.Memory)}
	if err := s.locate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	if err := s.noteTrail(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	s.start(wire)
	return s, nil
}

// locate finds the schema, which a store opened to look does not create.
func (s *Store) locate(ctx context.Context) error {
	found := false
	err := s.pool.Query(ctx, func(rows pgx.Rows) error {
		found = true
		return nil
	}, "SELECT FROM pg_namespace WHERE nspname = $1 AND to_regclass($2) IS NOT NULL", s.cfg.Schema, s.prefix+"events")
	if err == nil && !found {
		err = &event.Error{
			Op: "open store", Happened: event.HappenedNo, Healing: event.Permanent,
			Hint: "check the database and the schema: the gateway creates the tables when it first runs",
			Err:  fmt.Errorf("schema %s holds no store", s.cfg.Schema),
		}
	}
	return err
}

func (s *Store) start(wire pg.Config) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.appends = newGroup("append events", appendLimit, s.runAppends)
	s.settles = newGroup("settle claims", settleLimit, s.runSettles)
	s.accepts = newGroup("accept arrivals", appendLimit, s.runAccepts)
	s.wg.Go(func() { s.appends.loop(ctx) })
	s.wg.Go(func() { s.accepts.loop(ctx) })
	s.wg.Go(func() { s.settles.loop(ctx) })
	s.wg.Go(func() { s.tell(ctx) })
	s.wg.Go(func() {
		// It only ends with ctx: the URL has been parsed before.
		_ = pg.Listen(ctx, wire, s.channel(), s.heard, s.wakes.all)
	})
}

// Close implements [contract.Store].
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.appends.stop()
		s.accepts.stop()
		s.settles.stop()
		s.cancel()
		s.wg.Wait()
		s.pool.Close()
	})
	return nil
}

// Ping implements [contract.Store].
func (s *Store) Ping(ctx context.Context) error {
	if err := s.open("ping store"); err != nil {
		return err
	}
	if s.cfg.Inspect {
		return s.pool.Ping(ctx)
	}
	return s.write(ctx, "ping store", func(ctx context.Context, conn *pgx.Conn) error { return nil })
}

// open refuses calls on a closed store.
func (s *Store) open(op string) error {
	select {
	case <-s.closed:
		return fmt.Errorf("%s: %w", op, contract.ErrClosed)
	default:
		return nil
	}
}

// writable refuses calls on a closed store and on one opened to look only.
func (s *Store) writable(op string) error {
	if s.cfg.Inspect {
		return contract.Inspecting(op)
	}
	return s.open(op)
}

// write runs f in a transaction of its own. f may be run twice.
func (s *Store) write(ctx context.Context, op string, f func(ctx context.Context, conn *pgx.Conn) error) error {
	if err := s.open(op); err != nil {
		return err
	}
	if err := s.pool.Write(ctx, f); err != nil {
		return s.failure(op, err)
	}
	return nil
}

// read runs f on what was committed at one moment. Reads look at whole tables,
// where the planner knows best.
func (s *Store) read(ctx context.Context, op string, f func(tx pgx.Tx) error) error {
	if err := s.open(op); err != nil {
		return err
	}
	if err := s.pool.Read(ctx, map[string]string{"enable_seqscan": "on", "enable_bitmapscan": "on"}, f); err != nil {
		return s.failure(op, err)
	}
	return nil
}

// failure names the close of the store where that is the cause.
func (s *Store) failure(op string, err error) error {
	if closed := s.open(op); closed != nil {
		return errors.Join(closed, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// q qualifies the names marked with @ in a statement with the schema.
func (s *Store) q(statement string) string {
	if known, ok := s.sql.Load(statement); ok {
		return known.(string)
	}
	qualified := strings.ReplaceAll(statement, "@", s.prefix)
	s.sql.Store(statement, qualified)
	return qualified
}

// now is the time to decide by: the given clock's, or NULL for the server's.
func (s *Store) now() *time.Time {
	if s.cfg.Now == nil {
		return nil
	}
	now := s.cfg.Now()
	return &now
}

// shard picks a ledger row for a transaction.
func shard() int16 { return int16(rand.IntN(shards)) }
