package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// serve runs a server until the test ends and returns its address.
func serve(t *testing.T, s *control.Service, edit func(*control.ServerConfig)) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	moved := prometheus.NewCounter(prometheus.CounterOpts{Name: "sallyport_test_moved_total", Help: "A counter."})
	registry.MustRegister(moved)
	moved.Inc()
	c := control.ServerConfig{Listen: "127.0.0.1:0", Metrics: registry, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if edit != nil {
		edit(&c)
	}
	server, err := control.Listen(t.Context(), c, s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return server.Addr()
}

func client(t *testing.T, address, token string) *control.Client {
	t.Helper()
	c, err := control.NewClient(control.ClientConfig{Address: address, Token: secret.New(token)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestClient_AnswersAsTheServiceDoes asks everything twice, of the service and
// through HTTP, and expects the same.
func TestClient_AnswersAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	s := service(t, filled(), live)
	c := client(t, serve(t, s, func(c *control.ServerConfig) { c.Token = secret.New("t0ken") }), "t0ken")
	for name, question := range map[string]func(control.API) (any, error){
		"status":    func(a control.API) (any, error) { return a.Status(t.Context()) },
		"events":    func(a control.API) (any, error) { return a.Events(t.Context(), control.EventQuery{Limit: 2}) },
		"next page": func(a control.API) (any, error) { return a.Events(t.Context(), control.EventQuery{Before: 3}) },
		"dead": func(a control.API) (any, error) {
			return a.Events(t.Context(), control.EventQuery{State: "dead", Route: "orders"})
		},
		"none":        func(a control.API) (any, error) { return a.Events(t.Context(), control.EventQuery{Route: "nobody"}) },
		"event":       func(a control.API) (any, error) { return a.Event(t.Context(), "e-3", false) },
		"payload":     func(a control.API) (any, error) { return a.Event(t.Context(), "e-3", true) },
		"odd id":      func(a control.API) (any, error) { return a.Event(t.Context(), "odd/id ?", true) },
		"audit":       func(a control.API) (any, error) { return a.Audit(t.Context()) },
		"gaps":        func(a control.API) (any, error) { return a.Gaps(t.Context(), "") },
		"gaps of one": func(a control.API) (any, error) { return a.Gaps(t.Context(), "/event/A__e") },
	} {
		want, err := question(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := question(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-service +client):\n%s", name, d)
		}
	}
	for name, question := range map[string]func(control.API) error{
		"not found": func(a control.API) error { _, err := a.Event(t.Context(), "nobody", false); return err },
		"state":     func(a control.API) error { _, err := a.Events(t.Context(), control.EventQuery{State: "x"}); return err },
		"limit": func(a control.API) error {
			_, err := a.Events(t.Context(), control.EventQuery{Limit: 5000})
			return err
		},
		"redrive": func(a control.API) error { _, err := a.Redrive(t.Context(), control.RedriveRequest{}); return err },
	} {
		want, _ := errors.AsType[*control.Error](question(s))
		got, ok := errors.AsType[*control.Error](question(c))
		if !ok || got.Kind != want.Kind || got.What != want.What || got.Hint != want.Hint {
			t.Errorf("%s: client %+v, service %+v", name, got, want)
		}
	}
}

func TestClient_Redrives(t *testing.T) {
	t.Parallel()
	m := filled()
	c := client(t, serve(t, service(t, m), nil), "")
	got, err := c.Redrive(t.Context(), control.RedriveRequest{IDs: []string{"e-3"}, Route: "orders"})
	if err != nil || got.Moved != 1 || m.redriven[0].Route != "orders" || m.redriven[0].IDs[0] != "e-3" {
		t.Errorf("Redrive() = %+v, %v; store saw %+v", got, err, m.redriven)
	}
}

func TestClient_TellsWhyNobodyAnswered(t *testing.T) {
	t.Parallel()
	address := serve(t, service(t, filled()), func(c *control.ServerConfig) { c.Token = secret.New("right") })
	if _, err := client(t, address, "wrong").Audit(t.Context()); !errors.Is(err, control.ErrUnauthorized) {
		t.Errorf("wrong token: %v", err)
	}
	if _, err := client(t, "127.0.0.1:1", "").Audit(t.Context()); !errors.Is(err, control.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	slow := filled()
	slow.wait = true
	bounded := serve(t, service(t, slow), func(c *control.ServerConfig) { c.Timeout = 50 * time.Millisecond })
	if _, err := client(t, bounded, "").Audit(t.Context()); !errors.Is(err, control.ErrTimeout) {
		t.Errorf("slow store: %v", err)
	}
}

// request asks the server directly.
func request(t *testing.T, method, url, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestServer_GuardsWhatIsNotHealth(t *testing.T) {
	t.Parallel()
	base := "http://" + serve(t, service(t, filled()), func(c *control.ServerConfig) { c.Token = secret.New("t0ken") })
	for path, open := range map[string]bool{
		"/healthz": true, "/readyz": true, "/metrics": false, "/api/v1/status": false, "/api/v1/events": false, "/api/v1/events/e-3": false,
		"/api/v1/deadletters": false, "/api/v1/audit": false, "/api/v1/gaps": false, "/nowhere": false,
	} {
		for header, want := range map[string]int{"": 401, "Bearer wrong": 401, "Basic t0ken": 401, "Bearer ": 401, "bearer t0ken": 200, "Bearer t0ken": 200} {
			if open {
				want = 200
			} else if path == "/nowhere" && want == 200 {
				want = 404
			}
			if got, body, _ := request(t, "GET", base+path, "", "Authorization", header); got != want {
				t.Errorf("%s with %q: %d %s; want %d", path, header, got, body, want)
			}
		}
	}
}

func TestServer_WithoutATokenAnswersThisMachineOnly(t *testing.T) {
	t.Parallel()
	base := "http://" + serve(t, service(t, filled()), nil)
	for host, want := range map[string]int{"localhost:8080": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 401, "127.0.0.1.evil.example:80": 401} {
		if got, body, _ := request(t, "GET", base+"/api/v1/gaps", "", "Host", host); got != want {
			t.Errorf("%s: %d %s", host, got, body)
		}
	}
	_, err := control.Listen(t.Context(), control.ServerConfig{Listen: "0.0.0.0:0", Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}, service(t, filled()))
	if err == nil || !strings.Contains(err.Error(), "needs a token") {
		t.Errorf("open to all without a token: %v", err)
	}
}

func TestServer_RefusesOrdersThatABrowserCouldForge(t *testing.T) {
	t.Parallel()
	m := filled()
	url := "http://" + serve(t, service(t, m), func(c *control.ServerConfig) { c.MaxBody = 1 << 10 }) + "/api/v1/deadletters/redrive"
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		says    string
	}{
		"form":         {"all=true", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "application/json"},
		"no type":      {`{"all":true}`, nil, 400, "application/json"},
		"cross origin": {`{"all":true}`, []string{"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		"unknown key":  {`{"al":true}`, []string{"Content-Type", "application/json"}, 400, "unknown field"},
		"not json":     {`all`, []string{"Content-Type", "application/json"}, 400, "not a redrive request"},
		"nothing":      {`{}`, []string{"Content-Type", "application/json"}, 400, "either by ids or with all"},
		"huge":         {`{"ids":["` + strings.Repeat("x", 2000) + `"]}`, []string{"Content-Type", "application/json"}, 400, "larger than 1024"},
	} {
		status, body, _ := request(t, "POST", url, c.body, c.headers...)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if len(m.redriven) != 0 {
		t.Errorf("redriven: %+v", m.redriven)
	}
	if status, body, _ := request(t, "POST", url, `{"all":true}`, "Content-Type", "application/json; charset=utf-8"); status != 200 || len(m.redriven) != 1 {
		t.Errorf("a good order: %d %s", status, body)
	}
}

func TestServer_ShowsHealthAndMetrics(t *testing.T) {
	t.Parallel()
	m := filled()
	base := "http://" + serve(t, service(t, m), nil)
	if status, body, _ := request(t, "GET", base+"/metrics", ""); status != 200 || !strings.Contains(body, "sallyport_test_moved_total 1") {
		t.Errorf("metrics: %d %s", status, body)
	}
	m.err = errors.New("disk full")
	status, body, _ := request(t, "GET", base+"/readyz", "")
	var r control.Readiness
	if err := json.Unmarshal([]byte(body), &r); err != nil || status != 503 || r.Ready || !strings.Contains(r.Reasons[0], "disk full") {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, _, _ := request(t, "GET", base+"/healthz", ""); status != 200 {
		t.Errorf("healthz: %d although the process lives", status)
	}
	status, body, header := request(t, "GET", base+"/api/v1/events", "")
	if status != 500 || !strings.Contains(body, `"hint":"check that the store`) || header.Get("Cache-Control") != "no-store" {
		t.Errorf("internal error: %d %s %v", status, body, header)
	}
	for path, want := range map[string]string{
		"/api/v1/events?limit=x": "limit=", "/api/v1/events?limit=0": "limit=", "/api/v1/events?before=x": "before=", "/api/v1/events/e-3?payload=yes": "payload is",
	} {
		if status, body, _ := request(t, "GET", base+path, ""); status != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestListen_ReportsAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	address := serve(t, service(t, filled()), nil)
	_, err := control.Listen(t.Context(), control.ServerConfig{Listen: address, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}, service(t, filled()))
	if err == nil || !strings.Contains(err.Error(), "listen for operators") {
		t.Errorf("Listen() = %v", err)
	}
}

func TestNewClient_MakesAnAddressToDial(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "0.0.0.0:1": "http://127.0.0.1:1", ":2": "http://127.0.0.1:2", "[::]:3": "http://127.0.0.1:3",
		"https://gate.example/sallyport/": "https://gate.example/sallyport", "host:4": "http://host:4",
	} {
		c, err := control.NewClient(control.ClientConfig{Address: address})
		if err != nil || c.Address() != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, bad := range []string{"", "host", "ftp://x", "http://"} {
		if _, err := control.NewClient(control.ClientConfig{Address: bad}); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}
