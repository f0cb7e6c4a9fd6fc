package postgres_test

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// meddler stands between a store and its server and cuts connections on demand.
type meddler struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	// cut says what to do with a COMMIT: nothing, or cut the connection before
	// or after the server has got it.
	cut func() verdict
}

type verdict int

const (
	pass verdict = iota
	cutBefore
	cutAfter
)

// meddle returns a meddler and the database as seen through it.
func meddle(t *testing.T, db testkit.Database) (*meddler, testkit.Database) {
	t.Helper()
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{listener: l, server: u.Host, conns: map[net.Conn]bool{}, cut: func() verdict { return pass }}
	m.wg.Go(m.accept)
	t.Cleanup(func() {
		_ = l.Close()
		m.cutAll()
		m.wg.Wait()
	})
	u.Host = l.Addr().String()
	db.URL = u.String()
	return m, db
}

func (m *meddler) accept() {
	for {
		client, err := m.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", m.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		m.mu.Lock()
		m.conns[client], m.conns[server] = true, true
		m.mu.Unlock()
		m.wg.Go(func() { m.forward(client, server) })
		m.wg.Go(func() { m.back(server, client) })
	}
}

// forward passes on what the client says, and may cut at its COMMIT.
func (m *meddler) forward(client, server net.Conn) {
	defer m.drop(client, server)
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		do := pass
		if bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
			m.mu.Lock()
			do = m.cut()
			m.mu.Unlock()
		}
		if do == cutBefore {
			return
		}
		if do == cutAfter {
			// The client hears nothing more, while the server commits.
			_ = client.Close()
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (m *meddler) back(server, client net.Conn) {
	defer m.drop(client, server)
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (m *meddler) drop(conns ...net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(m.conns, c)
	}
}

func (m *meddler) cutAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		_ = c.Close()
	}
}

// TestAppend_CutAtCommit cuts the connection at every other COMMIT, before or
// after the server has got it, and expects every event exactly once.
func TestAppend_CutAtCommit(t *testing.T) {
	t.Parallel()
	direct := testkit.Postgres(t)
	m, db := meddle(t, direct)
	s := open(t, db)
	defer s.Close()
	commits, cuts := 0, map[verdict]int{}
	m.mu.Lock()
	m.cut = func() verdict {
		commits++
		v := []verdict{cutAfter, pass, cutBefore, pass}[commits%4]
		cuts[v]++
		return v
	}
	m.mu.Unlock()
	const n = 20
	for i := range n {
		if err := appendOne(t.Context(), s, fmt.Sprint(i)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	m.mu.Lock()
	before, after := cuts[cutBefore], cuts[cutAfter]
	m.mu.Unlock()
	if before < 3 || after < 3 {
		t.Fatalf("%d connections were cut before a commit, %d after it", before, after)
	}
	records, err := s.List(t.Context(), delivery.ListFilter{Limit: 10 * n})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range records {
		seen[r.Event.ID]++
	}
	for i := range n {
		if seen[fmt.Sprint(i)] != 1 {
			t.Errorf("event %d is stored %d times", i, seen[fmt.Sprint(i)])
		}
	}
	if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
}

// TestAppend_UnknownOutcome cuts the connection at COMMIT and keeps the server
// out of reach: nobody can say what happened, and the error must say so.
func TestAppend_UnknownOutcome(t *testing.T) {
	t.Parallel()
	m, db := meddle(t, testkit.Postgres(t))
	s := open(t, db, func(c *contract.Config) { c.Patience = 50 * time.Millisecond })
	defer s.Close()
	if err := appendOne(t.Context(), s, "first"); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	m.cut = func() verdict {
		_ = m.listener.Close()
		for c := range m.conns {
			_ = c.Close()
		}
		return cutAfter
	}
	m.mu.Unlock()
	err := appendOne(t.Context(), s, "second")
	if e := (*event.Error)(nil); err == nil || event.HealingOf(err) != event.Transient || !asError(err, &e) || e.Happened != event.HappenedUnknown {
		t.Fatalf("append = %v, want an error that says unknown", err)
	}
}

// TestStore_OutlivesLostConnections cuts all connections while calls go on.
func TestStore_OutlivesLostConnections(t *testing.T) {
	t.Parallel()
	m, db := meddle(t, testkit.Postgres(t))
	s := open(t, db)
	defer s.Close()
	for i := range 5 {
		m.cutAll()
		if err := appendOne(t.Context(), s, fmt.Sprint(i)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	delivered := map[string]bool{}
	for len(delivered) < 5 {
		m.cutAll()
		claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 2, Run: 1, Lease: time.Second})
		if err != nil {
			if event.HealingOf(err) != event.Transient {
				t.Fatalf("claim: %v", err)
			}
			continue
		}
		m.cutAll()
		for _, c := range claims {
			stale, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: c.Seq, Token: c.Token, Do: delivery.Done}})
			if err != nil {
				t.Fatalf("settle: %v", err)
			}
			if len(stale) == 0 {
				delivered[c.Event.ID] = true
			}
		}
	}
	if findings, err := s.Audit(t.Context()); err != nil && event.HealingOf(err) != event.Transient || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
}

// TestWrite_StatementTimeout holds a lock that an append needs.
func TestWrite_StatementTimeout(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	s := open(t, db, func(c *contract.Config) { c.StatementTimeout = 200 * time.Millisecond })
	defer s.Close()
	if err := appendOne(t.Context(), s, "first"); err != nil {
		t.Fatal(err)
	}
	release := lock(t, db, "LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
	err := appendOne(t.Context(), s, "second")
	if err == nil || event.HealingOf(err) != event.Transient || !strings.Contains(err.Error(), "statement timeout") {
		t.Fatalf("append under a lock = %v", err)
	}
	release()
	if err := appendOne(t.Context(), s, "third"); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Ledgers(t.Context()); err != nil || l[0].Accepted != 2 {
		t.Fatalf("ledgers = %+v, %v", l, err)
	}
}
