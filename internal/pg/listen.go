package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// listenCheck is how often a quiet listener makes sure of its connection.
const listenCheck = 30 * time.Second

// Listen calls heard with the payload of each notification on channel until ctx
// is done. It keeps a connection of its own and replaces it when it is lost;
// missed is called whenever notifications may have gone by unheard, at the
// start too. Neither may block. It returns ctx's error.
func Listen(ctx context.Context, cfg Config, channel string, heard func(payload string), missed func()) error {
	cfg = cfg.WithDefaults()
	connConfig, err := cfg.parseConn()
	if err != nil {
		return err
	}
	for try := 0; ; {
		started := time.Now()
		err := listenOnce(ctx, cfg, connConfig, channel, heard, missed)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(started) > time.Minute {
			try = 0
		}
		if try == 0 {
			cfg.Logger.Warn("notifications of PostgreSQL lost, reconnecting", "err", err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
		try++
	}
}

// listenOnce listens on one connection until it fails.
func listenOnce(ctx context.Context, cfg Config, connConfig *pgx.ConnConfig, channel string, heard func(string), missed func()) error {
	conn, err := pgx.ConnectConfig(ctx, connConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if err := set(ctx, conn, map[string]string{"application_name": cfg.Name}); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	missed()
	for {
		if err := hear(ctx, conn, heard); err != nil {
			return err
		}
	}
}

// hear waits for one notification. A connection that has been silent for long
// is asked whether it still stands.
func hear(ctx context.Context, conn *pgx.Conn, heard func(string)) error {
	wait, cancel := context.WithTimeout(ctx, listenCheck)
	defer cancel()
	n, err := conn.WaitForNotification(wait)
	if err == nil {
		heard(n.Payload)
		return nil
	}
	if wait.Err() == nil || ctx.Err() != nil {
		return err
	}
	check, cancel := context.WithTimeout(ctx, listenCheck)
	defer cancel()
	return conn.Ping(check)
}

// Notify sends payload to whoever listens on channel.
func (p *Pool) Notify(ctx context.Context, channel string, payloads ...string) error {
	_, err := p.pool.Exec(ctx, "SELECT pg_notify($1, p) FROM unnest($2::text[]) p", channel, payloads)
	return Failure("notify", err)
}
