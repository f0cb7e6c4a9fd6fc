package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A session of the server's own passes; one that the server's connections change under,
// as behind a pooler in transaction mode, does not, and the error says what to do.
func TestCheckSession_FindsAPoolerThatHandsConnectionsOn(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t).URL
	a, b := dial(t, url, nil), dial(t, url, nil)
	if err := checkSession(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	p := &pooler{}
	a, b = dial(t, url, p.first), dial(t, url, p.second)
	err := checkSession(t.Context(), a, b)
	if !errors.Is(err, errNoSession) || event.HealingOf(err) != event.Permanent || event.HintOf(err) == "" {
		t.Fatalf("behind a pooler: %v", err)
	}
}

func dial(t *testing.T, url string, hook func(net.Conn) net.Conn) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if hook != nil {
		inner := cfg.DialFunc
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := inner(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return hook(conn), nil
		}
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// pooler swaps the server's connections of two clients at the first BEGIN, between
// transactions, as a pooler does that has handed out the idle one last used.
type pooler struct{ a, b *swapped }

type swapped struct {
	net.Conn
	began func()
}

func (p *pooler) first(c net.Conn) net.Conn { p.a = &swapped{Conn: c}; return p.a }

func (p *pooler) second(c net.Conn) net.Conn {
	p.b = &swapped{Conn: c}
	p.b.began = func() { p.a.Conn, p.b.Conn = p.b.Conn, p.a.Conn }
	return p.b
}

// Write implements [io.Writer]: a simple query is 'Q', its length and the text.
func (s *swapped) Write(b []byte) (int, error) {
	if s.began != nil && len(b) > 10 && b[0] == 'Q' && string(b[5:10]) == "BEGIN" {
		s.began()
		s.began = nil
	}
	return s.Conn.Write(b)
}

var _ io.Writer = (*swapped)(nil)
