package session_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// singleAccess asks for a link and returns it without the org's address.
func singleAccess(t *testing.T, s *session.Store, query string) string {
	t.Helper()
	login, err := s.Login(username)
	if err != nil {
		t.Fatal(err)
	}
	a := call(t, s, http.MethodGet, "/services/oauth2/singleaccess"+query, "", "Authorization", "Bearer "+login.Token)
	link, _ := a.json(t)["frontdoor_uri"].(string)
	path, ok := strings.CutPrefix(link, instance)
	if a.status != http.StatusOK || !ok {
		t.Fatalf("single access: %d %s", a.status, a.body)
	}
	return path
}

func TestSingleAccess_LogsABrowserInOnce(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	link := singleAccess(t, s, "?redirect_uri=%2Flightning%2Fsetup%3Fa%3Db%26c")
	a := call(t, s, http.MethodGet, link, "")
	if a.status != http.StatusFound || a.header.Get("Location") != "/lightning/setup?a=b&c" {
		t.Errorf("frontdoor: %d to %q", a.status, a.header.Get("Location"))
	}
	cookie, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
	if err != nil || cookie.Name != "sid" || !cookie.HttpOnly {
		t.Fatalf("cookie = %+v, %v", cookie, err)
	}
	opened, ok := s.Authenticate(cookie.Value)
	if !ok || opened.UserID != s.Users()[0].ID {
		t.Errorf("the browser's session is %+v, %v", opened, ok)
	}
	if again := call(t, s, http.MethodGet, link, ""); again.status != http.StatusForbidden || again.header.Get("Set-Cookie") != "" {
		t.Errorf("a used link: %d %v", again.status, again.header)
	}
}

func TestSingleAccess_Refusals(t *testing.T) {
	t.Parallel()
	s, clock := newStore(t)
	if a := call(t, s, http.MethodGet, "/services/oauth2/singleaccess", "", "Authorization", "Bearer x"); a.status != http.StatusForbidden || a.body != "Bad_OAuth_Token" {
		t.Errorf("without a session: %d %s", a.status, a.body)
	}
	link := singleAccess(t, s, "")
	clock.Advance(time.Minute)
	if a := call(t, s, http.MethodGet, link, ""); a.status != http.StatusForbidden {
		t.Errorf("an old link: %d %s", a.status, a.body)
	}
	login, err := s.Login(username)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"https://elsewhere.example/", "//elsewhere.example", `/\elsewhere.example`, "javascript:alert(1)", "http://%zz"} {
		q := url.Values{"redirect_uri": {target}}.Encode()
		wantRefusal(t, call(t, s, http.MethodGet, "/services/oauth2/singleaccess?"+q, "", "Authorization", "Bearer "+login.Token),
			"redirect_uri_mismatch", "redirect_uri must be a page of this org")
		// A link that somebody changed on its way leads nowhere else either.
		a := call(t, s, http.MethodGet, singleAccess(t, s, "")+"&"+url.Values{"startURL": {target}}.Encode(), "")
		if a.header.Get("Location") != "/" {
			t.Errorf("%s: sent to %q", target, a.header.Get("Location"))
		}
	}
}
