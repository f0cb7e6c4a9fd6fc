package callout_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/callout/callouttest"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// behaviour is what an application does with its n-th call.
type behaviour = func(ctx context.Context, n int, c event.Call) (event.Reply, event.Outcome)

// rig is a relay with its other sides.
type rig struct {
	*callout.Relay
	t    *testing.T
	app  *callouttest.App
	keys *callouttest.Keys
}

func relay(t *testing.T, cfg callout.RelayConfig, do behaviour) *rig {
	t.Helper()
	return relayOf(t, cfg, route.Config{Name: "quote"}, callouttest.NewKeys(), do)
}

func relayOf(t *testing.T, cfg callout.RelayConfig, programs route.Config, keys *callouttest.Keys, do behaviour) *rig {
	t.Helper()
	r, err := route.New(programs)
	if err != nil {
		t.Fatal(err)
	}
	app := callouttest.NewApp(do)
	built, err := callout.NewRelay(cfg, callout.RelayDeps{Route: r, App: app, Keys: keys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{Relay: built, t: t, app: app, keys: keys}
}

func post(key, body string) callout.Request {
	return callout.Request{Method: "POST", Key: key, Body: []byte(body), Received: time.Now()}
}

func get() callout.Request { return callout.Request{Method: "GET", Path: "/1", Received: time.Now()} }

// answered wants an answer of the application.
func (r *rig) answered(req callout.Request, status int, body string) callout.Answer {
	r.t.Helper()
	a, p := r.Do(r.t.Context(), req)
	if p != nil || a.Status != status || string(a.Body) != body {
		r.t.Fatalf("answered %d %q, %v; want %d %q", a.Status, a.Body, p, status, body)
	}
	return a
}

// refused wants a problem.
func (r *rig) refused(req callout.Request, status int, code string) *callout.Problem {
	r.t.Helper()
	a, p := r.Do(r.t.Context(), req)
	if p == nil {
		r.t.Fatalf("answered %d %q; want %s", a.Status, a.Body, code)
	}
	if p.Status != status || p.Code != code || p.What == "" || p.Next == "" {
		r.t.Fatalf("problem %+v; want %d %s, with a next step", p, status, code)
	}
	return p
}

func (r *rig) asked(n int) {
	r.t.Helper()
	if got := len(r.app.Calls()); got != n {
		r.t.Fatalf("the application was asked %d times, want %d", got, n)
	}
}
