package call_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a token for one address.
type fixed string

func (f fixed) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: secret.New("t"), InstanceURL: string(f)}, nil
}
func (fixed) Invalidate(auth.Token) {}

// A spent allocation is told at once, with the use that the same answer states; too
// many requests at one time are another thing.
func TestClient_TellsOfASpentAllocation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		message string
		spent   int
	}{
		"daily":      {"TotalRequests Limit exceeded.", 1},
		"concurrent": {"ConcurrentRequests (Concurrent API Requests) Limit exceeded.", 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Sforce-Limit-Info", "api-usage=15000/15000")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `[{"message":"`+tc.message+`","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
		}))
		spent, usage := 0, call.Usage{}
		c, err := call.New(call.Config{Attempts: 1, SpentFunc: func() { spent++ }, LimitFunc: func(u call.Usage) { usage = u }}, fixed(server.URL), server.Client())
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(t.Context(), call.Request{Op: "ask", Method: http.MethodGet, Path: "/x"})
		if event.HealingOf(err) != event.Throttled || spent != tc.spent || usage != (call.Usage{Used: 15000, Max: 15000}) {
			t.Errorf("%s: %v, told %d times, %+v", name, err, spent, usage)
		}
		server.Close()
	}
}

func FuzzReadRefusal(f *testing.F) {
	for _, s := range []string{
		`[{"message":"m","errorCode":"C","fields":["Name"]}]`, `{"message":"m","errorCode":"C"}`, `[]`, ``, `<html>`, `Bad_OAuth_Token`,
		`[{"statusCode":"X"}]`, `null`, `[null]`, `{"message":1}`,
	} {
		f.Add(400, []byte(s))
	}
	f.Add(300, []byte(`["/a","/b"]`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		refusal := call.ReadRefusal(status, body)
		if refusal == nil || refusal.Status != status {
			t.Fatalf("%+v", refusal)
		}
		switch refusal.Healing() {
		case salesforce.Transient, salesforce.Throttled, salesforce.Permanent:
		default:
			t.Fatalf("heals %q", refusal.Healing())
		}
	})
}

func FuzzParseUsage(f *testing.F) {
	for _, s := range []string{"api-usage=25/5000", "api-usage=25/5000; per-app-api-usage=17/250(appName=x)", "", "api-usage=/", "api-usage=-1/5", ";;="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		u, ok := call.ParseUsage(header)
		if u.Used < 0 || u.Max < 0 || u.AppUsed < 0 || u.AppMax < 0 || !ok && (u.Used != 0 || u.Max != 0) {
			t.Fatalf("%+v, %v", u, ok)
		}
	})
}
