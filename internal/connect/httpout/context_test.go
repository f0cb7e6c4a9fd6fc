package httpout_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func TestDestination_SendsTheOrgsContextAndNobodyElses(t *testing.T) {
	t.Parallel()
	contexts := make(chan []string, 2)
	server, _ := app(t, func(_ http.ResponseWriter, r *http.Request) { contexts <- r.Header.Values("x-client-context") })
	d := build(t, httpout.Config{URL: server.URL, ClientContext: func(_ context.Context, e *event.Event) (string, error) {
		return "context of " + e.ID, nil
	}})
	want := "context of " + sample().ID
	if o := d.Deliver(t.Context(), sample(), 1); o.Verdict != event.Delivered {
		t.Fatalf("%+v", o)
	}
	if got := <-contexts; len(got) != 1 || got[0] != want {
		t.Errorf("delivered with %q", got)
	}
	call := event.Call{Event: sample(), Method: http.MethodPost, Header: map[string][]string{"X-Client-Context": {"forged"}}}
	if _, o := d.Respond(t.Context(), call, 1); o.Verdict != event.Delivered {
		t.Fatalf("%+v", o)
	}
	if got := <-contexts; len(got) != 1 || got[0] != want {
		t.Errorf("passed on with %q", got)
	}
}

func TestDestination_SendsNothingWithoutTheContextItShallCarry(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{URL: server.URL, ClientContext: func(context.Context, *event.Event) (string, error) {
		return "", errors.New("no login")
	}})
	o := d.Deliver(t.Context(), sample(), 1)
	_, relayed := d.Respond(t.Context(), event.Call{Event: sample(), Method: http.MethodPost}, 1)
	for _, o := range []event.Outcome{o, relayed} {
		if o.Verdict != event.Unavailable || o.Happened != event.HappenedNo || !strings.Contains(o.Reason, "no login") || o.Hint == "" {
			t.Errorf("%+v", o)
		}
	}
	if len(got) != 0 {
		t.Error("something was sent")
	}
}

func TestNew_KeepsTokensOffOpenNetworks(t *testing.T) {
	t.Parallel()
	c := httpout.Config{URL: "http://app.internal/", AllowPlainHTTP: true, ClientContext: func(context.Context, *event.Event) (string, error) { return "", nil }}
	if _, err := httpout.New(c); err == nil || !strings.Contains(err.Error(), "access token") {
		t.Errorf("%v", err)
	}
}
