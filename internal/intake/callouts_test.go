package intake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/intake"
)

func TestRelay_PassesTheRequestOnAndTheAnswerBack(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	r := serve(t, intake.Config{}, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		got <- req
		h := w.Header()
		h.Set("X-App", "yes")
		h.Set("Connection", "X-Hop")
		h.Set("X-Hop", "gone")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Location", "/elsewhere")
		h.Set("Content-Type", "text/odd")
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte("over there"))
	})
	a := r.do("PUT", "/callouts/quote/a%20b/c?x=%2F&y", `{"a": 1}`,
		"Content-Type", "application/json", "Idempotency-Key", `"k-1"`, "X-Tenant", "acme", "If-Match", "e1", "Authorization", "Bearer secret",
		"Cookie", "secret", "X-Other", "no", "Ce-Id", "forged", "Webhook-Signature", "forged", "X-Sallyport-Org-Id", "00D000000000001AAA", "Traceparent", "00-1-2-01")
	if a.status != 302 || a.body != "over there" || a.header.Get("X-App") != "yes" || a.header.Get("Content-Type") != "text/odd" ||
		a.header.Get("Location") != "/elsewhere" || a.header.Get("X-Sallyport-Error") != "" {
		t.Errorf("answer %+v", a)
	}
	for _, hop := range []string{"X-Hop", "Keep-Alive", "Connection"} {
		if a.header.Get(hop) != "" {
			t.Errorf("%s came back", hop)
		}
	}
	req := <-got
	body, _ := io.ReadAll(req.Body)
	if req.Method != "PUT" || req.URL.EscapedPath() != "/app/a%20b/c" || req.URL.RawQuery != "fixed=1&x=%2F&y" || string(body) != `{"a": 1}` {
		t.Errorf("request %s %s %s", req.Method, req.URL, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Tenant": "acme", "If-Match": "e1", "Idempotency-Key": "k-1", "Ce-Id": "k-1", "Ce-Routename": "quote",
		"Ce-Source": "salesforce/00D000000000001AAA/quote", "Traceparent": "00-1-2-01", "Authorization": "", "Cookie": "", "X-Other": "", "Webhook-Signature": "",
	} {
		if have := req.Header.Get(name); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
}

func TestRelay_AnswersOfEveryKindComeBack(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Etag", "e1")
		switch req.URL.Path {
		case "/app/none":
			w.WriteHeader(http.StatusNoContent)
		case "/app/same":
			w.WriteHeader(http.StatusNotModified)
		case "/app/untyped":
			w.Header()["Content-Type"] = nil
			_, _ = w.Write([]byte("<html>"))
		case "/app/chunks":
			for range 3 {
				_, _ = w.Write([]byte("part "))
				_ = http.NewResponseController(w).Flush()
			}
		default:
			w.Header().Set("Content-Length", "5")
			_, _ = w.Write([]byte("whole"))
		}
	})
	for path, want := range map[string]answer{
		"/none": {status: 204}, "/same": {status: 304}, "/chunks": {status: 200, body: "part part part "}, "/whole": {status: 200, body: "whole"},
		"/untyped": {status: 200, body: "<html>"},
	} {
		a := r.do("GET", "/callouts/quote"+path, "")
		if a.status != want.status || a.body != want.body || a.header.Get("Etag") != "e1" {
			t.Errorf("%s: %+v", path, a)
		}
		if path == "/untyped" && a.header.Get("Content-Type") != "" {
			t.Errorf("a type was guessed: %+v", a)
		}
	}
	if a := r.do("HEAD", "/callouts/quote", ""); a.status != 200 || a.body != "" || a.header.Get("Etag") != "e1" {
		t.Errorf("HEAD: %+v", a)
	}
	if a := r.do("OPTIONS", "/callouts/quote", ""); a.status != 200 {
		t.Errorf("OPTIONS: %+v", a)
	}
}

// A caller may wait far longer than it may take to send its request.
func TestRelay_WaitsLongerThanARequestMayTakeToArrive(t *testing.T) {
	t.Parallel()
	cfg := intake.Config{HeaderTimeout: 50 * time.Millisecond, ReadTimeout: 100 * time.Millisecond}
	r := serve(t, cfg, func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(400 * time.Millisecond):
			_, _ = w.Write([]byte("late"))
		case <-req.Context().Done():
		}
	})
	if a := r.do("POST", "/callouts/quote", "{}"); a.status != 200 || a.body != "late" {
		t.Errorf("answer %+v", a)
	}
}

func TestRelay_LetsTheApplicationGoWithItsCaller(t *testing.T) {
	t.Parallel()
	began, gone := make(chan struct{}), make(chan struct{})
	r := serve(t, intake.Config{}, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		close(began)
		<-req.Context().Done()
		close(gone)
	})
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/callouts/quote", strings.NewReader("{}"))
	r.check(err)
	go func() { <-began; hangUp() }()
	if resp, err := r.client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Fatal("answered")
	}
	<-gone
}

func TestRelay_TellsSlowFromDown(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		<-req.Context().Done()
	})
	a := r.do("POST", "/callouts/quote", "{}", "X-Sallyport-Deadline", "100")
	a.refused(t, 504, "app_slow")
	if !strings.Contains(a.body, `"happened":"unknown"`) || !strings.Contains(a.body, `"retry":true`) {
		t.Errorf("answer %s", a.body)
	}
}

func TestDoor_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, func(http.ResponseWriter, *http.Request) { t.Error("the application was asked") })
	for _, c := range []struct {
		method, path, status string
		headers              []string
	}{
		{"GET", "/", "404 not_found", nil},
		{"POST", "/callouts/nothing", "404 not_found", nil},
		{"POST", "/callouts/own", "404 not_found", nil},
		{"POST", "/events/orders", "404 not_found", nil},
		{"POST", "/callouts%2Fquote", "404 not_found", nil},
		{"TRACE", "/callouts/quote", "405 method_not_allowed", nil},
		{"GET", "/callouts/fast", "405 method_not_allowed", nil},
		{"DELETE", "/callouts/fast/1", "405 method_not_allowed", nil},
		{"PUT", "/events/own", "405 method_not_allowed", nil},
		{"GET", "/callouts/fast/1", "404 not_found", nil},
		{"GET", "/callouts/fast/", "400 bad_request", nil},
		{"GET", "/callouts/quote/a/%2e%2e/b", "400 bad_request", nil},
		{"GET", "/callouts/quote/a%2fb", "400 bad_request", nil},
		{"POST", "/callouts/fast", "400 bad_request", []string{"Idempotency-Key", strings.Repeat("k", 256)}},
		{"POST", "/callouts/fast", "400 bad_request", []string{"X-Sallyport-Deadline", "soon"}},
		{"POST", "/callouts/fast", "400 bad_request", []string{"X-Sallyport-Org-Id", "001000000000001AAA"}},
		{"POST", "/callouts/fast", "400 bad_request", []string{"X-Sallyport-Order-Key", strings.Repeat("k", 256)}},
		{"POST", "/callouts/fast", "400 bad_event", nil},
		{"POST", "/callouts/fast", "415 unsupported_media_type", []string{"Content-Encoding", "br"}},
		{"POST", "/callouts/fast", "400 bad_request", []string{"Content-Encoding", "gzip"}},
	} {
		a := r.do(c.method, c.path, "no json", c.headers...)
		if have := fmt.Sprint(a.status, " ", a.header.Get("X-Sallyport-Error")); have != c.status {
			t.Errorf("%s %s: %d %s; want %s", c.method, c.path, a.status, a.body, c.status)
			continue
		}
		if strings.Contains(a.body, "no json") {
			t.Errorf("%s %s: repeats the body: %s", c.method, c.path, a.body)
		}
	}
	if len(r.room.Kept()) != 0 {
		t.Error("something was kept")
	}
	if a := r.do("GET", "/healthz", ""); a.status != 200 || a.body != "ok\n" {
		t.Errorf("health: %+v", a)
	}
}

func TestAccept_AnswersWithAPlaceToAsk(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, nil)
	a := r.do("POST", "/callouts/fast", `{"a":1}`, "Idempotency-Key", "k 1", "X-Sallyport-Order-Key", "001000000000001AAA")
	if a.status != 202 || a.header.Get("Location") != "/callouts/fast/k%201" || a.header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("answer %+v", a)
	}
	again := r.do("POST", "/callouts/fast", `{"a":1}`, "Idempotency-Key", "k 1")
	if again.status != 202 || again.header.Get("Idempotency-Replayed") != "true" || again.body != a.body {
		t.Errorf("again: %+v", again)
	}
	r.do("POST", "/callouts/fast", `{"a":2}`, "Idempotency-Key", "k 1").refused(t, 422, "key_reused")
	if s := r.do("GET", a.header.Get("Location"), ""); s.status != 200 || !strings.Contains(s.body, `"state":"waiting"`) {
		t.Errorf("status: %+v", s)
	}
	if e := r.room.Kept()[0]; e.Key != "001000000000001AAA" || string(e.Data) != `{"a":1}` {
		t.Errorf("event %+v", e)
	}
}

func TestAccept_UnpacksWhatApexCompresses(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{MaxBody: 1000}, nil)
	packed := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.String()
	}
	if a := r.do("POST", "/callouts/fast", packed(`{"a":1}`), "Content-Encoding", "gzip"); a.status != 202 {
		t.Errorf("answer %+v", a)
	}
	if got := string(r.room.Kept()[0].Data); got != `{"a":1}` {
		t.Errorf("kept %s", got)
	}
	r.do("POST", "/callouts/fast", packed(`"`+strings.Repeat("a", 100_000)+`"`), "Content-Encoding", "gzip").refused(t, 413, "too_large")
}

func TestDoor_BoundsTheBody(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{MaxBody: 1000}, func(http.ResponseWriter, *http.Request) { t.Error("the application was asked") })
	large := `"` + strings.Repeat("a", 2000) + `"`
	for _, path := range []string{"/callouts/fast", "/callouts/quote", "/events/own", "/callouts/fast/batch"} {
		r.do("POST", path, large).refused(t, 413, "too_large")
		batch := large
		if strings.HasSuffix(path, "batch") {
			batch = `[{"data":` + large + "}]"
		}
		a, err := r.try("POST", path, io.MultiReader(strings.NewReader(batch))) // without a length
		r.check(err)
		a.refused(t, 413, "too_large")
	}
	if a := r.do("POST", "/callouts/fast", `"`+strings.Repeat("a", 998)+`"`); a.status != 202 {
		t.Errorf("the largest: %+v", a)
	}
}

func TestBatch_OverTheWire(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) })
	a := r.do("POST", "/callouts/fast/batch", `[{"id":"a","data":1},{"data":2}]`, "Idempotency-Key", "whole")
	if a.status != 202 || !strings.Contains(a.body, `"accepted":2`) || !strings.Contains(a.body, `"id":"whole/1"`) {
		t.Errorf("answer %+v", a)
	}
	a = r.do("POST", "/callouts/fast/batch", "{\"id\":\"a\",\"data\":1}\n{oh}\n", "Content-Type", "application/x-ndjson")
	if a.status != 207 || !strings.Contains(a.body, `"duplicates":1`) || !strings.Contains(a.body, `"refused":1`) {
		t.Errorf("answer %+v", a)
	}
	r.do("POST", "/callouts/fast/batch", `[{"data":1},`).refused(t, 400, "bad_request")
	if a := r.do("POST", "/callouts/quote/batch", `[{"id":"a","data":1},{"data":2}]`); a.status != 200 || strings.Count(a.body, `"state":"delivered","status":201`) != 2 {
		t.Errorf("answer %+v", a)
	}
}

func TestWaitThenAccept_OverTheWire(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{}, nil)
	r.room.Accepted = func(e event.Event) {
		go r.orders.Settled(e, event.Outcome{Verdict: event.Delivered, Status: 201, Answer: &event.Answer{ContentType: "text/x", Body: []byte("made")}})
	}
	if a := r.do("POST", "/callouts/orders", "{}"); a.status != 201 || a.body != "made" || a.header.Get("Content-Type") != "text/x" {
		t.Errorf("answer %+v", a)
	}
}
