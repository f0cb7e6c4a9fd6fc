package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// calledGateway is a gateway whose routes are called over HTTP. It needs no org.
type calledGateway struct {
	*gateway
	calls string // where callouts come in
}

// newCalled writes a configuration; store is a value, listen and routes are YAML
// (routes indented by two). It starts nothing.
func newCalled(t *testing.T, store, listen, routes string) *calledGateway {
	t.Helper()
	g := &calledGateway{
		gateway: &gateway{t: t, name: "gateway", address: freeAddress(t), config: filepath.Join(t.TempDir(), "sallyport.yaml")},
		calls:   freeAddress(t),
	}
	text := fmt.Sprintf("store: %s\ncontrol: {listen: %q}\nlisten:\n  address: %q\n%sroutes:\n%s", store, g.address, g.calls, listen, routes)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// reply is what a caller got.
type reply struct {
	status int
	header http.Header
	body   string
}

// caller calls over connections of its own.
var caller = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 2 * time.Minute}

// call makes one callout; an error means that there was no answer.
func (g *calledGateway) call(method, path, body string, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.calls+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := caller.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

// must makes a callout that has to be answered with a status.
func (g *calledGateway) must(status int, method, path, body string, headers ...string) reply {
	g.t.Helper()
	r, err := g.call(method, path, body, headers...)
	if err != nil || r.status != status {
		g.t.Fatalf("%s %s: %d %s, %v; want %d", method, path, r.status, r.body, err, status)
	}
	return r
}

// insist repeats a callout with its key until it is answered with success, as a
// sender does that wants nothing lost. It returns how often it sent.
func (g *calledGateway) insist(path, body, key string, headers ...string) int {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for n := 1; ; n++ {
		r, err := g.call(http.MethodPost, path, body, append(headers, "Idempotency-Key", key)...)
		switch {
		case err == nil && r.status/100 == 2:
			return n
		case err == nil && r.status/100 == 4 && r.status != 409:
			g.t.Errorf("%s %s: %d %s", path, key, r.status, r.body)
			return n
		}
		select {
		case <-pause.C:
		case <-g.t.Context().Done():
			return n
		}
	}
}

// slowApplication answers after the time that the request's path names.
type slowApplication struct {
	server *httptest.Server
	mu     sync.Mutex
	keys   map[string]int // answered, by idempotency key
	left   int            // requests whose caller went before the answer
}

func (a *slowApplication) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	takes, err := time.ParseDuration(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	if err != nil {
		takes = 0
	}
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		a.mu.Lock()
		a.left++
		a.mu.Unlock()
		return
	}
	a.mu.Lock()
	a.keys[r.Header.Get("idempotency-key")]++
	a.mu.Unlock()
	w.Header().Set("X-App", "slow")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.Copy(w, bytes.NewReader(body))
}

func (a *slowApplication) answered(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[key]
}

func newSlowApplication(t *testing.T) *slowApplication {
	t.Helper()
	return newSlowApplicationAt(t, "127.0.0.1:0")
}

func newSlowApplicationAt(t *testing.T, address string) *slowApplication {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	a := &slowApplication{keys: map[string]int{}}
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	_ = a.server.Listener.Close()
	a.server.Listener = l
	a.server.Start()
	t.Cleanup(a.server.Close)
	return a
}
