package pubsubapi

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// connTable knows the open TCP connections, so that a fault can cut one.
type connTable struct {
	mu   sync.Mutex
	open map[connKey]net.Conn
}

type connKey struct{ local, remote string }

func newConnTable() *connTable { return &connTable{open: make(map[connKey]net.Conn)} }

func (t *connTable) track(l net.Listener) net.Listener {
	return &trackedListener{Listener: l, table: t}
}

type trackedListener struct {
	net.Listener
	table *connTable
}

func (l *trackedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	key := connKey{conn.LocalAddr().String(), conn.RemoteAddr().String()}
	l.table.mu.Lock()
	l.table.open[key] = conn
	l.table.mu.Unlock()
	return &trackedConn{Conn: conn, forget: func() {
		l.table.mu.Lock()
		defer l.table.mu.Unlock()
		delete(l.table.open, key)
	}}, nil
}

type trackedConn struct {
	net.Conn
	once   sync.Once
	forget func()
}

func (c *trackedConn) Close() error {
	c.once.Do(c.forget)
	return c.Conn.Close()
}

// cut closes the connection that carries ctx's call.
func (t *connTable) cut(ctx context.Context) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	t.mu.Lock()
	conn, open := t.open[connKey{p.LocalAddr.String(), p.Addr.String()}]
	t.mu.Unlock()
	if open {
		fault.Cut(conn)
	}
}

func (t *connTable) cutAll() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.open)
	for key, conn := range t.open {
		fault.Cut(conn)
		delete(t.open, key)
	}
	return n
}
