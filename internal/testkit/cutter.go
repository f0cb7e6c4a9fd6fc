package testkit

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Cutter passes TCP connections on to a server, can cut them, and can stop passing
// anything without a word to either side, as a network that is partitioned does.
type Cutter struct {
	// URL is the server through it.
	URL string
	to  string

	mu     sync.Mutex
	conns  map[net.Conn]bool
	parted chan struct{} // closed by Heal; nil while the network is whole
	wg     sync.WaitGroup
}

// NewCutter listens in front of the server of a URL.
func NewCutter(t testing.TB, server string) *Cutter {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cutter{to: u.Host, URL: through(u, l.Addr().String()), conns: map[net.Conn]bool{}}
	c.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.pass(in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.Heal()
		c.Cut()
		c.wg.Wait()
	})
	return c
}

func (c *Cutter) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	c.mu.Lock()
	c.conns[in], c.conns[out] = true, true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.conns, in)
		delete(c.conns, out)
		c.mu.Unlock()
	}()
	c.wg.Go(func() { _, _ = io.Copy(out, held{in, c}); _ = out.Close() })
	_, _ = io.Copy(in, held{out, c})
}

// held is a connection whose bytes wait while the network is partitioned.
type held struct {
	net.Conn
	by *Cutter
}

func (h held) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if healed := h.by.partitioned(); healed != nil {
		<-healed
	}
	return n, err
}

// partitioned returns a channel that is closed when the network is whole again; nil
// if it is.
func (c *Cutter) partitioned() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parted
}

// Part holds back every byte in both directions, and whatever is sent on new
// connections. Nothing is closed: both sides believe that the other is slow.
func (c *Cutter) Part() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parted = make(chan struct{})
}

// Heal lets go what was held back, as retransmission would.
func (c *Cutter) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parted != nil {
		close(c.parted)
		c.parted = nil
	}
}

// Cut cuts every connection, in the middle of whatever is being said.
func (c *Cutter) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// through is a server's URL with another address.
func through(server *url.URL, address string) string {
	u := *server
	u.Host = address
	return u.String()
}
