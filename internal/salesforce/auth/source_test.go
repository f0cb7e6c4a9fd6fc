package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const (
	orgID  = "00D5e000000AbCdEAK"
	userID = "0055e000001abcDAAQ"
)

// endpoint is a token endpoint by script: answer is asked for each login,
// numbered from 1.
type endpoint struct {
	mu     sync.Mutex
	forms  []url.Values
	urls   []string
	answer func(n int, form url.Values) *http.Response
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.forms = append(e.forms, form)
	e.urls = append(e.urls, r.URL.String())
	n := len(e.forms)
	e.mu.Unlock()
	resp := e.answer(n, form)
	if resp == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	resp.Request = r
	return resp, nil
}

func (e *endpoint) logins() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.forms)
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func granted(n int) *http.Response {
	return reply(200, fmt.Sprintf(`{"access_token":"00D!token%d","instance_url":"https://acme.my.salesforce.com/","id":"https://login.salesforce.com/id/%s/%s","token_type":"Bearer","issued_at":"1787212445123"}`, n, orgID[:15], userID))
}

func clientCredentials() auth.Config {
	return auth.Config{
		Flow: auth.ClientCredentials, LoginURL: "https://acme.my.salesforce.com/",
		ClientID: "3MVG9", ClientSecret: secret.New("hush"),
	}
}

func newSource(t *testing.T, cfg auth.Config, e *endpoint) *auth.Source {
	t.Helper()
	s, err := auth.New(cfg, &http.Client{Transport: e})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func token(t *testing.T, s *auth.Source) auth.Token {
	t.Helper()
	tok, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestSource_LogsInOnceAndReadsTheAnswer(t *testing.T) {
	t.Parallel()
	e := &endpoint{answer: func(n int, _ url.Values) *http.Response { return granted(n) }}
	s := newSource(t, clientCredentials(), e)
	tok := token(t, s)
	if again := token(t, s); again != tok {
		t.Errorf("second Token() = %v", again)
	}
	want := auth.Token{
		AccessToken: secret.New("00D!token1"), InstanceURL: "https://acme.my.salesforce.com",
		OrgID: orgID, UserID: userID, Issued: time.UnixMilli(1787212445123).UTC(),
	}
	if tok != want {
		t.Errorf("Token() = %+v, want %+v", tok, want)
	}
	if e.logins() != 1 || e.urls[0] != "https://acme.my.salesforce.com/services/oauth2/token" {
		t.Errorf("logins at %v", e.urls)
	}
	if got := e.forms[0].Encode(); got != "client_id=3MVG9&client_secret=hush&grant_type=client_credentials" {
		t.Errorf("form = %s", got)
	}
}

func TestSource_SharesOneLoginAmongAllWhoFindTheTokenDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := &endpoint{answer: func(n int, _ url.Values) *http.Response {
			if n == 2 {
				<-release
			}
			return granted(n)
		}}
		s := newSource(t, clientCredentials(), e)
		stale := token(t, s)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				s.Invalidate(stale)
				tok, err := s.Token(t.Context())
				if err != nil || tok.AccessToken.Reveal() != "00D!token2" {
					t.Errorf("Token() = %q, %v", tok.AccessToken.Reveal(), err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		// A late report about the old token must not throw the new one away.
		s.Invalidate(stale)
		if tok := token(t, s); tok.AccessToken.Reveal() != "00D!token2" || e.logins() != 2 {
			t.Errorf("after a late report: %q, %d logins", tok.AccessToken.Reveal(), e.logins())
		}
	})
}

func TestSource_HoldsARefusalThatOnlyAPersonCanHeal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(n int, _ url.Values) *http.Response {
			if n == 1 {
				return reply(400, `{"error":"invalid_grant","error_description":"no client credentials user enabled"}`)
			}
			return granted(n)
		}}
		s := newSource(t, clientCredentials(), e)
		for range 20 {
			_, err := s.Token(t.Context())
			if event.HealingOf(err) != event.Permanent || !strings.Contains(event.HintOf(err), "Run As") {
				t.Fatalf("Token() error = %v (%s, hint %q)", err, event.HealingOf(err), event.HintOf(err))
			}
		}
		if e.logins() != 1 {
			t.Errorf("%d logins, want 1", e.logins())
		}
		<-time.After(61 * time.Second) // by the bubble's clock
		token(t, s)
	})
}

func TestSource_RetriesWhatMayPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(n int, _ url.Values) *http.Response {
			switch n {
			case 1:
				return reply(503, "<html>maintenance</html>")
			case 2:
				return reply(400, `{"error":"unknown_error","error_description":"retry your request"}`)
			case 3:
				return nil // until the request's timeout
			}
			return granted(n)
		}}
		s := newSource(t, clientCredentials(), e)
		start := time.Now()
		token(t, s)
		if took := time.Since(start); took < 30*time.Second || took > 40*time.Second || e.logins() != 4 {
			t.Errorf("took %v and %d logins", took, e.logins())
		}
	})
}

func TestSource_GivesUpAfterItsAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(int, url.Values) *http.Response { return reply(502, "<html>") }}
		s := newSource(t, clientCredentials(), e)
		_, err := s.Token(t.Context())
		if event.HealingOf(err) != event.Transient || e.logins() != 4 {
			t.Errorf("error = %v, %d logins", err, e.logins())
		}
	})
}

func TestSource_AWaiterTakesOverWhenTheLeaderGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(n int, _ url.Values) *http.Response {
			if n == 1 {
				return nil
			}
			return granted(n)
		}}
		s := newSource(t, clientCredentials(), e)
		leader, giveUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Token(leader); !errors.Is(err, context.Canceled) {
				t.Errorf("leader's error = %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if tok := token(t, s); tok.AccessToken.Reveal() != "00D!token2" {
				t.Errorf("waiter has %q", tok.AccessToken.Reveal())
			}
		})
		synctest.Wait()
		giveUp()
		wg.Wait()
	})
}

func TestSource_SlowsDownWhenTokenAfterTokenDiesYoung(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(n int, _ url.Values) *http.Response { return granted(n) }}
		s := newSource(t, clientCredentials(), e)
		start := time.Now()
		for range 10 {
			s.Invalidate(token(t, s))
		}
		if took := time.Since(start); took < 2*time.Minute {
			t.Errorf("ten logins in a row took only %v", took)
		}
	})
}

func TestSource_DoesNotFollowARedirect(t *testing.T) {
	t.Parallel()
	e := &endpoint{answer: func(int, url.Values) *http.Response {
		resp := reply(302, "")
		resp.Header.Set("Location", "https://evil.example/services/oauth2/token")
		return resp
	}}
	s := newSource(t, clientCredentials(), e)
	_, err := s.Token(t.Context())
	if err == nil || event.HealingOf(err) != event.Permanent || e.logins() != 1 {
		t.Errorf("error = %v, requests to %v", err, e.urls)
	}
}

func TestSource_RefusesToSendTokensInTheClear(t *testing.T) {
	t.Parallel()
	for login, ok := range map[string]bool{
		"https://acme.my.salesforce.com": true, "http://127.0.0.1:8080": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://acme.my.salesforce.com": false, "http://127.0.0.1.evil.example": false, "": false, "ftp://localhost": false,
		"https://user:pass@host": false,
	} {
		cfg := clientCredentials()
		cfg.LoginURL = login
		if _, err := auth.New(cfg, nil); (err == nil) != ok {
			t.Errorf("login at %q: %v", login, err)
		}
	}
	e := &endpoint{answer: func(int, url.Values) *http.Response {
		return reply(200, `{"access_token":"x","instance_url":"http://evil.example","id":"https://l/id/`+orgID+`/`+userID+`"}`)
	}}
	if tok, err := newSource(t, clientCredentials(), e).Token(t.Context()); err == nil {
		t.Errorf("accepted %v", tok)
	}
}

func TestSource_KeepsSecretsOutOfErrors(t *testing.T) {
	t.Parallel()
	e := &endpoint{answer: func(int, url.Values) *http.Response {
		return reply(401, `{"error":"invalid_client","error_description":"invalid client credentials"}`)
	}}
	_, err := newSource(t, clientCredentials(), e).Token(t.Context())
	if err == nil || strings.Contains(fmt.Sprintf("%v %+v %s", err, err, event.HintOf(err)), "hush") {
		t.Errorf("error = %v", err)
	}
	if event.HealingOf(err) != event.Permanent {
		t.Errorf("a refused secret counts as %s", event.HealingOf(err))
	}
}
