package caller_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sallyport-dev/sallyport/internal/caller"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func two() caller.Config {
	return caller.Config{
		Callers: map[string]caller.Credentials{
			"crm":  {Tokens: secrets(tokenA, tokenB), Passwords: secrets(wordA, wordB), SigningKeys: secrets(keyA, keyB), ClientSecrets: secrets(oauthA, oauthB)},
			"shop": {Tokens: secrets("token-of-the-shop-0123456789")},
		},
		TokenSecrets: secrets(sealA),
	}
}

func TestMiddleware_AdmitsEveryLiveCredential(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	for header, want := range map[string]string{
		"Bearer " + tokenA:                                 "crm by bearer",
		"bearer " + tokenB:                                 "crm by bearer",
		"BEARER  " + tokenA:                                "crm by bearer",
		"Bearer token-of-the-shop-0123456789":              "shop by bearer",
		basic("crm", wordA):                                "crm by basic",
		strings.ToLower("BASIC") + basic("crm", wordB)[5:]: "crm by basic",
	} {
		if who, status, problem := g.knock(t, request(header)); who != want {
			t.Errorf("%q: %q %d %v", header, who, status, problem)
		}
	}
}

func TestMiddleware_RefusesInOneVoice(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	var voice map[string]any
	for _, header := range []string{
		"Bearer " + tokenA[:len(tokenA)-1], "Bearer " + tokenA + "x", "Bearer ", "Bearer", "Bearer " + wordA, "Bearer a.b.c", "Bearer " + tokenA + " " + tokenB,
		basic("crm", wordA+"x"), basic("nobody", wordA), basic("shop", wordA), basic("crm", tokenA), basic("crm", ""), "Basic ###", "Basic " + base64.StdEncoding.EncodeToString([]byte("crm")),
		"Digest x", "x", `Sallyport-HMAC-SHA256 caller="crm"`,
	} {
		who, status, problem := g.knock(t, request(header))
		if who != "" || status != http.StatusUnauthorized {
			t.Errorf("%q: %q %d", header, who, status)
		}
		if voice == nil {
			voice = problem
		}
		if diff := cmp.Diff(voice, problem); diff != "" {
			t.Errorf("%q is refused in other words: %s", header, diff)
		}
	}
	r := request("Bearer " + tokenA)
	r.Header.Add("Authorization", "Bearer "+tokenB)
	if _, status, _ := g.knock(t, r); status != http.StatusUnauthorized {
		t.Errorf("two headers: %d", status)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, request(""))
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("no header: %d %v", w.Code, w.Header())
	}
	for _, never := range []string{tokenA[:12], wordA[:12], "nobody"} {
		if strings.Contains(g.log.String(), never) {
			t.Errorf("the log holds %q: %s", never, g.log)
		}
	}
}

func TestMiddleware_KeyInTheURLIsForOutboundMessagesOnly(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	for path, want := range map[string]string{
		"/outbound/orders?key=" + tokenA:       "crm by url-key",
		"/outbound/orders?key=" + tokenA + "x": "",
		"/outbound/orders?key=":                "",
		"/callouts/orders?key=" + tokenA:       "",
		"/callouts/../outbound?key=" + tokenA:  "",
	} {
		r := httptest.NewRequest(http.MethodPost, "/x", nil)
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		w := httptest.NewRecorder()
		g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := caller.From(r.Context())
			w.Header().Set("X-Who", who.Name+" by "+string(who.Method))
		})).ServeHTTP(w, r)
		if got := w.Header().Get("X-Who"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestMiddleware_HoldsRoutesToTheirCallers(t *testing.T) {
	t.Parallel()
	c := two()
	c.Routes = map[string][]string{"orders": {"shop"}, "closed": {}}
	c.RouteFunc = func(r *http.Request) string { return strings.Split(r.URL.Path, "/")[2] }
	g := build(t, c, nil)
	for _, try := range []struct {
		path, token string
		want        int
	}{
		{"/callouts/orders/x", tokenA, http.StatusForbidden},
		{"/callouts/orders", "token-of-the-shop-0123456789", http.StatusOK},
		{"/callouts/other", tokenA, http.StatusOK},
		{"/callouts/closed", tokenA, http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, try.path, nil)
		r.Header.Set("Authorization", "Bearer "+try.token)
		if _, status, problem := g.knock(t, r); status != try.want {
			t.Errorf("%s: %d %v", try.path, status, problem)
		}
	}
}

func TestMiddleware_NobodyConfiguredMeansEverybody(t *testing.T) {
	t.Parallel()
	g := build(t, caller.Config{}, nil)
	if who, _, _ := g.knock(t, request("")); who != "anonymous by none" || !g.Open() {
		t.Errorf("%q", who)
	}
}

func TestMiddleware_LimitsEachCallerToItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := two()
		crm := c.Callers["crm"]
		crm.Rate, crm.Burst = 2, 4
		c.Callers["crm"] = crm
		g := build(t, c, nil)
		admitted := func() (n int) {
			for range 10 {
				w := httptest.NewRecorder()
				g.ServeHTTP(w, request("Bearer "+tokenA))
				switch w.Code {
				case http.StatusOK:
					n++
				case http.StatusTooManyRequests:
					if w.Header().Get("Retry-After") != "1" {
						t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
					}
				default:
					t.Errorf("status %d", w.Code)
				}
			}
			return n
		}
		if n := admitted(); n != 4 {
			t.Errorf("%d at once, want 4", n)
		}
		if who, _, _ := g.knock(t, request("Bearer token-of-the-shop-0123456789")); who == "" {
			t.Error("another caller is held up")
		}
		time.Sleep(time.Second)
		if n := admitted(); n != 2 {
			t.Errorf("%d after a second, want 2", n)
		}
	})
}

func TestMiddleware_SlowsDownWhoGuessesAndNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := two()
		c.Failures = 2
		g := build(t, c, nil)
		refused := map[int]int{}
		for range 50 {
			_, status, _ := g.knock(t, request("Bearer wrong"))
			refused[status]++
		}
		if diff := cmp.Diff(map[int]int{401: 20, 429: 30}, refused); diff != "" {
			t.Error(diff)
		}
		if who, _, _ := g.knock(t, request("Bearer "+tokenA)); who != "crm by bearer" {
			t.Error("a caller behind the same router is locked out")
		}
		other := request("Bearer wrong")
		other.RemoteAddr = "[2001:db8::1]:4000"
		if _, status, _ := g.knock(t, other); status != http.StatusUnauthorized {
			t.Errorf("another address: %d", status)
		}
		if n := strings.Count(g.log.String(), "request refused"); n != 1 {
			t.Errorf("%d lines for one cause within 30 s", n)
		}
		time.Sleep(31 * time.Second)
		g.knock(t, request("Bearer wrong"))
		if !strings.Contains(g.log.String(), "more_before=50") {
			t.Errorf("the silent ones are not counted: %s", g.log)
		}
	})
}

func TestMetrics_CountRequestsRefusalsAndTokens(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	g.knock(t, request("Bearer "+tokenA))
	g.knock(t, request("Bearer wrong"))
	if _, status := g.token(t, "crm", oauthA); status != http.StatusOK {
		t.Fatal(status)
	}
	err := testutil.GatherAndCompare(g.registry, strings.NewReader(`
# HELP sallyport_caller_refusals_total Requests refused before they reached a route, by reason.
# TYPE sallyport_caller_refusals_total counter
sallyport_caller_refusals_total{reason="unauthenticated"} 1
# HELP sallyport_caller_requests_total Requests of authenticated callers, by the way they proved themselves.
# TYPE sallyport_caller_requests_total counter
sallyport_caller_requests_total{caller="crm",method="bearer"} 1
# HELP sallyport_caller_tokens_total Tokens given out by the token endpoint.
# TYPE sallyport_caller_tokens_total counter
sallyport_caller_tokens_total{caller="crm"} 1
`))
	if err != nil {
		t.Error(err)
	}
}

func TestNew_RefusesWhatCannotBeSafe(t *testing.T) {
	t.Parallel()
	short, jwt := secrets("short"), caller.Issuer{Issuer: "https://idp.example", Audience: "sallyport", KeysURL: "https://idp.example/keys"}
	with := func(change func(*caller.Issuer)) *caller.Issuer { j := jwt; change(&j); return &j }
	for want, c := range map[string]caller.Config{
		"token 1 is shorter":        {Callers: map[string]caller.Credentials{"a": {Tokens: short}}},
		"password 1 is shorter":     {Callers: map[string]caller.Credentials{"a": {Passwords: short}}},
		"signing key 1 is shorter":  {Callers: map[string]caller.Credentials{"a": {SigningKeys: short}}},
		"client secret 1 is":        {Callers: map[string]caller.Credentials{"a": {ClientSecrets: short}}, TokenSecrets: secrets(sealA)},
		"token secret 1 is":         {TokenSecrets: short},
		"without a token secret":    {Callers: map[string]caller.Credentials{"a": {ClientSecrets: secrets(oauthA)}}},
		"have the same token":       {Callers: map[string]caller.Credentials{"a": {Tokens: secrets(tokenA)}, "b": {Tokens: secrets(tokenA)}}},
		"who is not known":          {Routes: map[string][]string{"r": {"ghost"}}, RouteFunc: func(*http.Request) string { return "" }},
		"without authorities":       {Callers: map[string]caller.Credentials{"a": {Subjects: []string{"CN=a"}}}},
		"not the SHA-256":           {Callers: map[string]caller.Credentials{"a": {PublicKeys: []string{"abcd"}}}},
		"a burst needs a rate":      {Callers: map[string]caller.Credentials{"a": {Burst: 1}}},
		"audience are required":     {Callers: map[string]caller.Credentials{"a": {JWT: with(func(j *caller.Issuer) { j.Audience = "" })}}},
		"this gateway's own":        {Callers: map[string]caller.Credentials{"a": {JWT: with(func(j *caller.Issuer) { j.Issuer = "sallyport" })}}},
		"keys is not https":         {Callers: map[string]caller.Credentials{"a": {JWT: with(func(j *caller.Issuer) { j.KeysURL = "http://idp.example/keys" })}}},
		`algorithm "HS256" is none`: {Callers: map[string]caller.Credentials{"a": {JWT: with(func(j *caller.Issuer) { j.Algorithms = []string{"HS256"} })}}},
		`algorithm "none" is none`:  {Callers: map[string]caller.Credentials{"a": {JWT: with(func(j *caller.Issuer) { j.Algorithms = []string{"none"} })}}},
		"same issuer, audience":     {Callers: map[string]caller.Credentials{"a": {JWT: &jwt}, "b": {JWT: &jwt}}},
	} {
		if _, err := caller.New(c, caller.Deps{}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), tokenA) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
