package session_test

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

func sign(t *testing.T, key *rsa.PrivateKey, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAssertion_FiveClientsFiveShapes holds the org to what clients that people
// use really send.
func TestAssertion_FiveClientsFiveShapes(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	soon := time.Now().Add(3 * time.Minute)
	seconds := strconv.FormatInt(soon.Unix(), 10)
	for name, claims := range map[string]jwt.MapClaims{
		"slash, exp in milliseconds, iat in seconds": {"aud": instance + "/", "exp": soon.UnixMilli(), "iat": time.Now().Unix()},
		"login URL, exp 300 s ahead":                 {"aud": instance, "exp": time.Now().Add(300 * time.Second).Unix()},
		"production login, exp as text":              {"aud": "https://login.salesforce.com", "exp": seconds},
		"sandbox login, exp as text":                 {"aud": "https://test.salesforce.com", "exp": seconds},
		"bare host and port, no scheme":              {"aud": "127.0.0.1:8101", "exp": soon.Unix(), "iat": time.Now().Unix()},
		"list of audiences":                          {"aud": []string{"x", instance}, "exp": soon.Unix()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims["iss"], claims["sub"] = "3MVGreg", username
			assertion := sign(t, appKey(), claims)
			wantToken(t, s, token(t, s, "grant_type", jwtBearer, "assertion", assertion))
			// One client does not percent-encode the grant type's colons.
			body := "grant_type=" + jwtBearer + "&assertion=" + url.QueryEscape(assertion)
			wantToken(t, s, call(t, s, http.MethodPost, "/services/oauth2/token", body, "Content-Type", formType))
		})
	}
}

func TestAssertion_Refusals(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := func(change ...any) jwt.MapClaims {
		claims := jwt.MapClaims{"iss": "3MVGreg", "sub": username, "aud": instance, "exp": time.Now().Add(time.Minute).Unix()}
		for i := 0; i < len(change); i += 2 {
			claims[change[i].(string)] = change[i+1]
		}
		return claims
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, good()).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := jwt.NewWithClaims(jwt.SigningMethodHS256, good()).SignedString([]byte("s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	valid := sign(t, appKey(), good())
	cut := valid[:strings.LastIndex(valid, ".")+1]
	for name, c := range map[string]struct{ assertion, code, description string }{
		"another key":       {sign(t, stranger, good()), "invalid_grant", "invalid assertion"},
		"no signature":      {unsigned, "invalid_grant", "invalid assertion"},
		"cut signature":     {cut, "invalid_grant", "invalid assertion"},
		"shared secret":     {shared, "invalid_grant", "invalid assertion"},
		"unknown app":       {sign(t, appKey(), good("iss", "x")), "invalid_client_id", "client identifier invalid"},
		"no certificate":    {sign(t, appKey(), good("iss", "3MVGnone")), "invalid_grant", "invalid assertion"},
		"wrong audience":    {sign(t, appKey(), good("aud", "https://elsewhere.example")), "invalid_grant", "Audience validation failed"},
		"expired":           {sign(t, appKey(), good("exp", time.Now().Add(-time.Minute).Unix())), "invalid_grant", "expired authorization code"},
		"no expiry":         {sign(t, appKey(), good("exp", "soon")), "invalid_grant", "invalid assertion"},
		"unknown user":      {sign(t, appKey(), good("sub", "nobody@sim.example")), "invalid_grant", "user hasn't approved this consumer"},
		"garbage":           {"a.b.c", "invalid_grant", "invalid assertion"},
		"trusted but no RS": {strings.Replace(shared, "3MVGreg", "3MVGtrust", 1), "invalid_grant", "invalid assertion"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, token(t, s, "grant_type", jwtBearer, "assertion", c.assertion), c.code, c.description)
		})
	}
	wantToken(t, s, token(t, s, "grant_type", jwtBearer, "assertion", sign(t, stranger, good("iss", "3MVGtrust"))))
}

// FuzzToken sends arbitrary forms: the endpoint may refuse, never panic, and
// never log anybody in who does not know a secret.
func FuzzToken(f *testing.F) {
	f.Add("grant_type=client_credentials&client_id=3MVGreg&client_secret=x")
	f.Add("grant_type=" + jwtBearer + "&assertion=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHcmVnIiwiYXVkIjpbMV0sImV4cCI6InoifQ.AAAA")
	f.Add("grant_type=password&username=%ff&password")
	f.Fuzz(func(t *testing.T, body string) {
		s, _ := newStore(t)
		if a := call(t, s, http.MethodPost, "/services/oauth2/token", body, "Content-Type", formType); a.status != http.StatusBadRequest {
			t.Errorf("%q gave %d", body, a.status)
		}
	})
}
