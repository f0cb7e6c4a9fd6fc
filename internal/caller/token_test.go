package caller_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-dev/sallyport/internal/caller"
)

func tokenRequest(form url.Values, user, password string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, caller.TokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	return r
}

func (g gate) ask(t *testing.T, r *http.Request) (answer map[string]any, status int) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	return answer, w.Code
}

// token gets one as an External Credential does.
func (g gate) token(t *testing.T, id, secret string) (string, int) {
	t.Helper()
	answer, status := g.ask(t, tokenRequest(url.Values{"grant_type": {"client_credentials"}}, id, secret))
	token, _ := answer["access_token"].(string)
	return token, status
}

func TestTokenEndpoint_GivesTokensForBothPlacesOfTheSecret(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	grant := url.Values{"grant_type": {"client_credentials"}, "scope": {"whatever"}}
	post := url.Values{"grant_type": {"client_credentials"}, "client_id": {"crm"}, "client_secret": {oauthB}}
	for name, r := range map[string]*http.Request{"basic": tokenRequest(grant, "crm", oauthA), "post": tokenRequest(post, "", "")} {
		answer, status := g.ask(t, r)
		if status != 200 || answer["token_type"] != "Bearer" || answer["expires_in"] != 900.0 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
		token, _ := answer["access_token"].(string)
		if who, _, _ := g.knock(t, request("Bearer "+token)); who != "crm by oauth" {
			t.Errorf("%s: the token lets in %q", name, who)
		}
	}
}

func TestTokenEndpoint_RefusesByTheBook(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	grant := url.Values{"grant_type": {"client_credentials"}}
	plain := tokenRequest(grant, "crm", oauthA)
	plain.Header.Set("Content-Type", "application/json")
	get := tokenRequest(grant, "crm", oauthA)
	get.Method = http.MethodGet
	inURL := tokenRequest(grant, "", "")
	inURL.URL.RawQuery = "client_id=crm&client_secret=" + oauthA
	large := tokenRequest(url.Values{"grant_type": {"client_credentials"}, "x": {strings.Repeat("x", 20<<10)}}, "crm", oauthA)
	bearer := tokenRequest(grant, "", "")
	bearer.Header.Set("Authorization", "Bearer "+tokenA)
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"wrong secret":     {tokenRequest(grant, "crm", oauthA+"x"), 401, "invalid_client"},
		"unknown client":   {tokenRequest(grant, "ghost", oauthA), 401, "invalid_client"},
		"another's":        {tokenRequest(grant, "shop", oauthA), 401, "invalid_client"},
		"a password":       {tokenRequest(grant, "crm", wordA), 401, "invalid_client"},
		"no client":        {tokenRequest(grant, "", ""), 401, "invalid_client"},
		"bearer":           {bearer, 401, "invalid_client"},
		"secret in url":    {inURL, 401, "invalid_client"},
		"no grant":         {tokenRequest(url.Values{}, "crm", oauthA), 400, "invalid_request"},
		"two grants":       {tokenRequest(url.Values{"grant_type": {"client_credentials", "client_credentials"}}, "crm", oauthA), 400, "invalid_request"},
		"other grant":      {tokenRequest(url.Values{"grant_type": {"password"}}, "crm", oauthA), 400, "unsupported_grant_type"},
		"secret twice":     {tokenRequest(url.Values{"grant_type": {"client_credentials"}, "client_secret": {oauthA}}, "crm", oauthA), 400, "invalid_request"},
		"json":             {plain, 400, "invalid_request"},
		"get":              {get, 405, "invalid_request"},
		"oversize request": {large, 400, "invalid_request"},
	} {
		answer, status := g.ask(t, c.r)
		if status != c.status || answer["error"] != c.code || answer["error_description"] == "" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	none := build(t, caller.Config{Callers: map[string]caller.Credentials{"crm": {Tokens: secrets(tokenA)}}}, nil)
	if _, status := none.ask(t, tokenRequest(grant, "crm", oauthA)); status != http.StatusNotFound {
		t.Errorf("without a token secret: %d", status)
	}
}

func TestToken_IsValidInOtherProcessesUntilItsTimeOrItsSecretsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		token, _ := build(t, two(), nil).token(t, "crm", oauthA)
		check := func(name string, change func(*caller.Config), want int) {
			t.Helper()
			c := two()
			change(&c)
			if _, status, _ := build(t, c, nil).knock(t, request("Bearer "+token)); status != want {
				t.Errorf("%s: %d", name, status)
			}
		}
		grants := func(secret ...string) func(*caller.Config) {
			return func(c *caller.Config) { c.Callers["crm"] = caller.Credentials{ClientSecrets: secrets(secret...)} }
		}
		check("another process", func(*caller.Config) {}, 200)
		check("token secret being replaced", func(c *caller.Config) { c.TokenSecrets = secrets(sealB, sealA) }, 200)
		check("token secret replaced", func(c *caller.Config) { c.TokenSecrets = secrets(sealB) }, 401)
		check("client secret being replaced", grants(oauthB, oauthA), 200)
		check("client secret replaced", grants(oauthB), 401)
		check("caller removed", func(c *caller.Config) { delete(c.Callers, "crm") }, 401)
		time.Sleep(15*time.Minute - time.Second)
		check("just before its end", func(*caller.Config) {}, 200)
		time.Sleep(time.Second)
		check("at its end", func(*caller.Config) {}, 401)
	})
}

// A hundred parallel callouts find their token expired at once, and all of them
// have to learn so by a 401, after which Salesforce fetches a new one.
func TestToken_ExpiryIsNoGuess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := two()
		c.Failures = 1
		g := build(t, c, nil)
		token, _ := g.token(t, "crm", oauthA)
		time.Sleep(time.Hour)
		for range 100 {
			if _, status, _ := g.knock(t, request("Bearer "+token)); status != http.StatusUnauthorized {
				t.Fatalf("status %d", status)
			}
		}
		if !strings.Contains(g.log.String(), "a token that has expired") || !strings.Contains(g.log.String(), "caller=crm") {
			t.Errorf("log: %s", g.log)
		}
	})
}

func TestToken_ForgeriesAreRefused(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	token, _ := g.token(t, "crm", oauthA)
	parts := strings.Split(token, ".")
	claims := jwt.MapClaims{"iss": "sallyport", "aud": "sallyport", "sub": "crm", "exp": time.Now().Add(time.Hour).Unix()}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	own, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(sealA)) // the secret itself is no key
	if err != nil {
		t.Fatal(err)
	}
	longer, err := jwt.NewWithClaims(jwt.SigningMethodHS512, claims).SignedString([]byte(sealA))
	if err != nil {
		t.Fatal(err)
	}
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"sallyport","aud":"sallyport","sub":"shop","exp":9999999999}`))
	for name, forged := range map[string]string{
		"none": none, "none by name": strings.Replace(none, ".", ".", 1) + "x", "secret as key": own, "other algorithm": longer,
		"other claims": parts[0] + "." + payload + "." + parts[2], "no signature": parts[0] + "." + parts[1] + ".", "cut": token[:len(token)-2],
	} {
		if who, status, _ := g.knock(t, request("Bearer "+forged)); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, who)
		}
	}
}
