package intake_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/callout/callouttest"
	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/intake"
	"github.com/sallyport-dev/sallyport/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// rig is a listener with a route of each kind: quote waits for the
// application, orders and the application's own events (own) are kept.
type rig struct {
	t      *testing.T
	url    string
	room   *callouttest.Room
	orders *callout.Acceptor
	client *http.Client
	stop   context.CancelFunc
	ended  chan error
}

func serve(t *testing.T, cfg intake.Config, app http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{t: t, room: callouttest.NewRoom(), ended: make(chan error, 1)}
	application := httptest.NewServer(app)
	t.Cleanup(application.Close)
	destination, err := httpout.New(httpout.Config{URL: application.URL + "/app?fixed=1"})
	r.check(err)
	t.Cleanup(destination.Close)
	relay, err := callout.NewRelay(callout.RelayConfig{}, callout.RelayDeps{Route: r.route("quote"), App: destination, Keys: callouttest.NewKeys(), Log: quiet})
	r.check(err)
	r.orders = r.acceptor("orders", callout.AcceptorConfig{Prefix: "/callouts/orders", Wait: time.Minute})
	cfg.Log = quiet
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	server, err := intake.Listen(t.Context(), cfg, []intake.Route{
		{Name: "quote", Relay: relay, Headers: []string{"x-tenant"}},
		{Name: "orders", Acceptor: r.orders},
		{Name: "fast", Acceptor: r.acceptor("fast", callout.AcceptorConfig{Prefix: "/callouts/fast"})},
		{Name: "own", Events: true, Acceptor: r.acceptor("own", callout.AcceptorConfig{Prefix: "/events/own"})},
	})
	r.check(err)
	r.run(server)
	r.url = "http://" + server.Addr()
	if cfg.TLS != nil {
		r.url = "https://" + server.Addr()
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return r
}

func (r *rig) run(server *intake.Server) {
	ctx, stop := context.WithCancel(r.t.Context())
	r.stop = stop
	go func() { r.ended <- server.Run(ctx) }()
	r.t.Cleanup(func() {
		stop()
		if err := <-r.ended; err != nil {
			r.t.Errorf("run: %v", err)
		}
	})
}

func (r *rig) acceptor(name string, cfg callout.AcceptorConfig) *callout.Acceptor {
	r.t.Helper()
	a, err := callout.NewAcceptor(cfg, callout.AcceptorDeps{Route: r.route(name), Intake: r.room, Find: r.room.Find, Log: quiet})
	r.check(err)
	return a
}

func (r *rig) route(name string) *route.Route {
	r.t.Helper()
	built, err := route.New(route.Config{Name: name})
	r.check(err)
	return built
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // Connection: close
}

func (r *rig) do(method, path, body string, headers ...string) answer {
	r.t.Helper()
	a, err := r.try(method, path, strings.NewReader(body), headers...)
	r.check(err)
	return a
}

func (r *rig) try(method, path string, body io.Reader, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	r.check(err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text), resp.Close}, err
}

// refused wants a problem in the form of RFC 9457.
func (a answer) refused(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.header.Get("X-Sallyport-Error") != code || a.header.Get("Content-Type") != "application/problem+json" ||
		!strings.Contains(a.body, `"code":"`+code+`"`) || !strings.Contains(a.body, `"next_step":"`) {
		t.Errorf("answer %d %v %s; want %d %s", a.status, a.header, a.body, status, code)
	}
}
