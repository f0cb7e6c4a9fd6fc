package caller_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/caller"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	tokenA = "token-a-0123456789abcdef"
	tokenB = "token-b-0123456789abcdef"
	wordA  = "password-a-0123456789"
	wordB  = "password-b-0123456789"
	keyA   = "signing-key-a-0123456789"
	keyB   = "signing-key-b-0123456789"
	oauthA = "client-secret-a-0123456789"
	oauthB = "client-secret-b-0123456789"
	sealA  = "token-secret-a-0123456789"
	sealB  = "token-secret-b-0123456789"
)

func secrets(values ...string) []secret.String {
	list := make([]secret.String, len(values))
	for i, v := range values {
		list[i] = secret.New(v)
	}
	return list
}

// lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// gate is the callers with something behind them that says who came through.
type gate struct {
	*caller.Callers
	http.Handler
	log      *lockedBuffer
	registry *prometheus.Registry
}

func build(t *testing.T, c caller.Config, client *http.Client) gate {
	t.Helper()
	registry, log := prometheus.NewRegistry(), &lockedBuffer{}
	s, err := caller.New(c, caller.Deps{Metrics: caller.NewMetrics(registry), Log: slog.New(slog.NewTextHandler(log, nil)), HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(caller.TokenPath, s.TokenEndpoint())
	mux.Handle("/", s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := caller.From(r.Context())
		if h := r.Header.Get("Authorization"); h != "" {
			t.Errorf("the Authorization header went on")
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Who", who.Name+" by "+string(who.Method))
		_, _ = w.Write(body)
	})))
	return gate{s, mux, log, registry}
}

// knock sends a request and returns who came through, or the problem.
func (g gate) knock(t *testing.T, r *http.Request) (who string, status int, problem map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		return w.Header().Get("X-Who"), w.Code, nil
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("refusal of type %q", got)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	if text, _ := problem["next_step"].(string); text == "" {
		t.Errorf("no next step in %q", w.Body)
	}
	return "", w.Code, problem
}

func request(header string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/callouts/orders?x=1", strings.NewReader(`{"a":1}`))
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	return r
}
