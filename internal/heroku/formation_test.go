package heroku_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/heroku"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const token = "HRKU-token-of-a-test"

// platform serves requests as the Platform API does.
func platform(t *testing.T, serve http.HandlerFunc) *heroku.Formation {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"Accept": "application/vnd.heroku+json; version=3", "Authorization": "Bearer " + token, "User-Agent": "sallyport",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		serve(w, r)
	}))
	t.Cleanup(server.Close)
	f, err := heroku.New(heroku.Config{URL: server.URL + "/", Token: secret.New(token), App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFormation_ReadsAndScales(t *testing.T) {
	t.Parallel()
	f := platform(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /apps/shop/formation/worker":
			_, _ = io.WriteString(w, `{"id":"1","type":"worker","quantity":2,"size":"Standard-1X"}`)
		case "PATCH /apps/shop/formation":
			body, _ := io.ReadAll(r.Body)
			if string(body) != `{"updates":[{"type":"worker","quantity":5}]}` || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("body %s, %v", body, r.Header)
			}
			_, _ = io.WriteString(w, `[{"type":"worker","quantity":5,"size":"Standard-1X"}]`)
		default:
			t.Errorf("request %s %s", r.Method, r.URL)
		}
	})
	if n, err := f.Quantity(t.Context(), "worker"); n != 2 || err != nil {
		t.Errorf("quantity %d, %v", n, err)
	}
	if err := f.Scale(t.Context(), "worker", 5); err != nil {
		t.Error(err)
	}
}

func TestFormation_ExplainsRefusals(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		healing event.Healing
		hint    string
		after   time.Duration
	}{
		http.StatusUnauthorized:        {event.Permanent, "heroku authorizations:create", 0},
		http.StatusForbidden:           {event.Permanent, "operate", 0},
		http.StatusNotFound:            {event.Permanent, "heroku.app", 0},
		http.StatusUnprocessableEntity: {event.Permanent, "see the message", 0},
		http.StatusTooManyRequests:     {event.Throttled, "heroku.every", 90 * time.Second},
		http.StatusServiceUnavailable:  {event.Transient, "status.heroku.com", 0},
		http.StatusFound:               {event.Permanent, "see the message", 0},
	} {
		f := platform(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"id": "some_id", "message": "why " + token[:0]})
		})
		err := f.Scale(t.Context(), "worker", 3)
		e, ok := err.(*event.Error)
		if !ok || e.Healing != want.healing || !strings.Contains(e.Hint, want.hint) || e.After != want.after || !strings.Contains(e.Error(), "some_id") {
			t.Errorf("%d: %#v", status, err)
		}
		if strings.Contains(err.Error(), token) {
			t.Errorf("%d: the token is in %v", status, err)
		}
	}
}

func TestFormation_BelievesNoOtherNumber(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`[{"type":"worker","quantity":4}]`, `[{"type":"web","quantity":5}]`, `[]`, `{`, `"` + strings.Repeat("x", 2<<20)} {
		f := platform(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if err := f.Scale(t.Context(), "worker", 5); err == nil {
			t.Errorf("%.40s was believed", answer)
		}
	}
}
