package applink_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/applink"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func newOrg(t *testing.T, cfg applink.Config) (*orgsim.Org, *applink.Source) {
	t.Helper()
	org, err := orgsim.Start(t.Context(), orgsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tokens, err := auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, client)
	if err != nil {
		t.Fatal(err)
	}
	s, err := applink.New(cfg, tokens, client)
	if err != nil {
		t.Fatal(err)
	}
	return org, s
}

func decode(t *testing.T, header string) map[string]any {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// works asks the org for its limits with the context's token.
func works(t *testing.T, fields map[string]any) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fields["orgDomainUrl"].(string)+"/services/data/v"+fields["apiVersion"].(string)+"/limits", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+fields["accessToken"].(string))
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func TestHeader_SaysWhoAndWhereWithATokenThatWorks(t *testing.T) {
	t.Parallel()
	org, s := newOrg(t, applink.Config{})
	header, err := s.Header(t.Context(), &event.Event{ID: "e-1"})
	if err != nil {
		t.Fatal(err)
	}
	fields := decode(t, header)
	user := org.Sessions().Users()[0]
	if !works(t, fields) {
		t.Error("the token does not work")
	}
	delete(fields, "accessToken")
	want := map[string]any{
		"requestId": "e-1", "apiVersion": "67.0", "namespace": nil, "orgDomainUrl": org.URL(), "orgId": string(org.OrgID()),
		"userContext": map[string]any{"userId": string(user.ID), "username": user.Username},
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
}

func TestHeader_ReplacesATokenThatTheOrgForgot(t *testing.T) {
	t.Parallel()
	org, s := newOrg(t, applink.Config{Check: time.Nanosecond})
	first, err := s.Header(t.Context(), &event.Event{ID: "e-1"})
	if err != nil {
		t.Fatal(err)
	}
	org.RevokeTokens()
	if works(t, decode(t, first)) {
		t.Fatal("the token still works")
	}
	second, err := s.Header(t.Context(), &event.Event{ID: "e-1"})
	if err != nil || !works(t, decode(t, second)) {
		t.Errorf("a dead token is handed out: %v", err)
	}
}

// stable hands out one token for ever.
type stable struct {
	invalidated int
	err         error
}

func (s *stable) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: secret.New("t"), InstanceURL: "https://acme.my.salesforce.com"}, s.err
}

func (s *stable) Invalidate(auth.Token) { s.invalidated++ }

func TestHeader_AsksSeldom(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	status := http.StatusOK
	transport := roundTrip(func(*http.Request) (*http.Response, error) {
		asked.Add(1)
		w := httptest.NewRecorder()
		w.WriteHeader(status)
		_, _ = w.WriteString(`{"preferred_username":"u@acme.example"}`)
		return w.Result(), nil
	})
	synctest.Test(t, func(t *testing.T) {
		tokens := &stable{}
		s, err := applink.New(applink.Config{Username: "fallback@acme.example"}, tokens, &http.Client{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := s.Header(t.Context(), &event.Event{ID: "e"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("%d questions for 20 requests", n)
		}
		time.Sleep(5 * time.Minute)
		status = http.StatusForbidden // an app that may not ask: its tokens are good all the same
		header, err := s.Header(t.Context(), &event.Event{ID: "e"})
		if err != nil {
			t.Fatal(err)
		}
		if user := decode(t, header)["userContext"].(map[string]any)["username"]; user != "fallback@acme.example" || tokens.invalidated != 1 {
			t.Errorf("user %v, %d invalidated", user, tokens.invalidated)
		}
		time.Sleep(5 * time.Minute)
		status = http.StatusBadGateway
		if _, err := s.Header(t.Context(), &event.Event{ID: "e"}); err == nil || event.HintOf(err) == "" {
			t.Errorf("an org that does not answer: %v", err)
		}
		tokens.err = errors.New("no login")
		if _, err := s.Header(t.Context(), &event.Event{ID: "e"}); !errors.Is(err, tokens.err) {
			t.Errorf("%v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
