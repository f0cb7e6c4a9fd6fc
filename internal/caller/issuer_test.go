package caller_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-dev/sallyport/internal/caller"
)

// provider is somebody's token service.
type provider struct {
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetches int
	down    bool
}

func (p *provider) RoundTrip(*http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches++
	if p.down {
		return nil, errors.New("unreachable")
	}
	public := make([]any, 0, len(p.keys)+1)
	for i := range p.keys {
		public = append(public, p.keys[i].Public())
	}
	public = append(public, map[string]string{"kty": "of the future", "kid": "x"})
	body, err := json.Marshal(map[string]any{"keys": public})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}, err
}

func (p *provider) set(down bool, keys ...jose.JSONWebKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.keys = down, keys
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

func key(t *testing.T, kid string) (jose.JSONWebKey, *ecdsa.PrivateKey) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: kid, Use: "sig"}, k
}

const (
	idp      = "https://idp.example"
	audience = "https://gateway.example"
)

func claimsOf(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{"iss": idp, "aud": audience, "sub": "app-1", "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	if change != nil {
		change(c)
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, kid string, k crypto.PrivateKey, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	if kid != "" {
		token.Header["kid"] = kid
	}
	s, err := token.SignedString(k)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + s
}

func trusting(t *testing.T, p *provider) gate {
	t.Helper()
	c := caller.Config{Callers: map[string]caller.Credentials{
		"app":   {JWT: &caller.Issuer{Issuer: idp, KeysURL: idp + "/keys", Audience: audience, Subject: "app-1"}},
		"other": {JWT: &caller.Issuer{Issuer: idp, KeysURL: idp + "/keys", Audience: audience, Subject: "app-2", Algorithms: []string{"ES256"}}},
	}}
	return build(t, c, &http.Client{Transport: p})
}

func TestIssuer_AdmitsWhatItSignedForUs(t *testing.T) {
	t.Parallel()
	public, k := key(t, "k1")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{}
	third, _ := key(t, "k3")
	p.set(false, public, third, jose.JSONWebKey{Key: rsaKey, KeyID: "k2", Algorithm: "RS256"})
	g := trusting(t, p)
	now := time.Now()
	for name, c := range map[string]struct{ header, want string }{
		"good":                 {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(nil)), "app by jwt"},
		"good, RSA":            {sign(t, jwt.SigningMethodRS256, "k2", rsaKey, claimsOf(nil)), "app by jwt"},
		"no kid":               {sign(t, jwt.SigningMethodES256, "", k, claimsOf(nil)), ""},                // which of the two is not said
		"good, no kid":         {sign(t, jwt.SigningMethodRS256, "", rsaKey, claimsOf(nil)), "app by jwt"}, // the only one of its kind
		"other caller":         {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["sub"] = "app-2" })), "other by jwt"},
		"list of audiences":    {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["aud"] = []string{"x", audience} })), "app by jwt"},
		"just expired":         {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["exp"] = now.Add(-10 * time.Second).Unix() })), "app by jwt"},
		"expired":              {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Minute).Unix() })), ""},
		"never expires":        {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { delete(c, "exp") })), ""},
		"not yet":              {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Hour).Unix() })), ""},
		"from the future":      {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["iat"] = now.Add(time.Hour).Unix() })), ""},
		"other audience":       {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["aud"] = "https://elsewhere.example" })), ""},
		"no audience":          {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { delete(c, "aud") })), ""},
		"other subject":        {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["sub"] = "app-3" })), ""},
		"other issuer":         {sign(t, jwt.SigningMethodES256, "k1", k, claimsOf(func(c jwt.MapClaims) { c["iss"] = "https://evil.example" })), ""},
		"unknown key":          {sign(t, jwt.SigningMethodES256, "k9", k, claimsOf(nil)), ""},
		"key of another":       {sign(t, jwt.SigningMethodRS256, "k1", rsaKey, claimsOf(nil)), ""},
		"unpinned":             {sign(t, jwt.SigningMethodRS512, "k2", rsaKey, claimsOf(nil)), ""},
		"unpinned here":        {sign(t, jwt.SigningMethodRS256, "k2", rsaKey, claimsOf(func(c jwt.MapClaims) { c["sub"] = "app-2" })), ""},
		"none":                 {sign(t, jwt.SigningMethodNone, "k1", jwt.UnsafeAllowNoneSignatureType, claimsOf(nil)), ""},
		"public key as secret": {sign(t, jwt.SigningMethodHS256, "k2", rsaKey.N.Bytes(), claimsOf(nil)), ""},
	} {
		if who, status, _ := g.knock(t, request(c.header)); who != c.want || c.want == "" && status != http.StatusUnauthorized {
			t.Errorf("%s: %q %d", name, who, status)
		}
	}
}

func TestIssuer_KeysAreFetchedOnceAndFollowARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, k1 := key(t, "k1")
		second, k2 := key(t, "k2")
		p := &provider{}
		p.set(false, first)
		g := trusting(t, p)
		admit := func(kid string, k *ecdsa.PrivateKey, want bool) {
			t.Helper()
			who, _, _ := g.knock(t, request(sign(t, jwt.SigningMethodES256, kid, k, claimsOf(nil))))
			if (who != "") != want {
				t.Errorf("key %s: %q", kid, who)
			}
		}
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() { admit("k1", k1, true) })
		}
		callers.Wait()
		if n := p.count(); n != 1 {
			t.Errorf("%d fetches for 20 requests at once", n)
		}
		time.Sleep(time.Minute)
		p.set(false, first, second) // the issuer rotates
		admit("k2", k2, true)
		admit("k1", k1, true)
		for range 50 {
			admit("made-up", k1, false) // a stranger's
		}
		if n := p.count(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
		time.Sleep(2 * time.Hour)
		p.set(false, second) // the old key is withdrawn
		admit("k1", k1, false)
		admit("k2", k2, true)
		p.set(true)
		time.Sleep(2 * time.Hour)
		admit("k2", k2, true) // the issuer is away; its keys are not forgotten at once
		time.Sleep(23 * time.Hour)
		admit("k2", k2, false)
	})
}
