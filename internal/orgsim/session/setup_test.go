package session_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

const (
	orgID    = "00D5e000000AbCdEAK"
	instance = "http://127.0.0.1:8101"
	username = "Ada@Sim.example"
)

// appKey is the registered key of the app "registered"; making one is slow.
var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func publicPEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func newStore(t *testing.T) (*session.Store, *clock.Clock) {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	s, err := session.New(session.Config{
		OrgID: orgID, OrgName: "Acme & Söhne", InstanceURL: instance + "/", Clock: c,
		Apps: []session.App{
			{Name: "registered", ClientID: "3MVGreg", ClientSecret: "s3cret", RunAs: username, Certificate: publicPEM(t, appKey())},
			{Name: "trusting", ClientID: "3MVGtrust", ClientSecret: "other", TrustAnyAssertion: true},
			{Name: "neither", ClientID: "3MVGnone", ClientSecret: "third"},
		},
		Users: []session.User{
			{Username: username, Password: "p&w", SecurityToken: "TOK", FirstName: "Ada", LastName: "Admin", Email: "ada@sim.example"},
			{Username: "gone@sim.example", Password: "pw", LastName: "Gone", Inactive: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%d %q is no JSON: %v", a.status, a.body, err)
	}
	return v
}

// call sends a request; pairs are headers.
func call(t *testing.T, s *session.Store, method, path, body string, pairs ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, instance+path, strings.NewReader(body))
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, r)
	return answer{recorder.Code, recorder.Header(), recorder.Body.String()}
}

const formType = "application/x-www-form-urlencoded"

func token(t *testing.T, s *session.Store, pairs ...string) answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return call(t, s, http.MethodPost, "/services/oauth2/token", form.Encode(), "Content-Type", formType)
}

func wantRefusal(t *testing.T, a answer, code, description string) {
	t.Helper()
	v := a.json(t)
	if a.status != http.StatusBadRequest || v["error"] != code || v["error_description"] != description {
		t.Errorf("got %d %s, want %s: %s", a.status, a.body, code, description)
	}
}

// wantToken checks that the answer is a login and returns its access token.
func wantToken(t *testing.T, s *session.Store, a answer) string {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("login: %d %s", a.status, a.body)
	}
	access, _ := a.json(t)["access_token"].(string)
	if _, ok := s.Authenticate(access); !ok {
		t.Fatalf("the token of %s is not valid", a.body)
	}
	return access
}
