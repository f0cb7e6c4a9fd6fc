package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func TestSource_SignsAnAssertionThatSalesforceAccepts(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"PKCS#1": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		"PKCS#8": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		e := &endpoint{answer: func(n int, _ url.Values) *http.Response { return granted(n) }}
		s := newSource(t, auth.Config{
			Flow: auth.JWTBearer, LoginURL: "https://test.salesforce.com", ClientID: "3MVG9", Username: "int@acme.example",
			PrivateKey: secret.New(string(pem.EncodeToMemory(block))),
		}, e)
		token(t, s)
		form := e.forms[0]
		if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Errorf("%s: grant_type = %q", name, form.Get("grant_type"))
		}
		claims := jwt.MapClaims{}
		parsed, err := jwt.ParseWithClaims(form.Get("assertion"), claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithIssuer("3MVG9"), jwt.WithSubject("int@acme.example"))
		if err != nil || !parsed.Valid {
			t.Fatalf("%s: %v", name, err)
		}
		if aud, ok := claims["aud"].(string); !ok || aud != "https://test.salesforce.com" {
			t.Errorf("%s: aud = %#v, want a string", name, claims["aud"])
		}
		exp, err := claims.GetExpirationTime()
		if left := time.Until(exp.Time); err != nil || left > 3*time.Minute || left < 2*time.Minute {
			t.Errorf("%s: expires in %v, %v", name, left, err)
		}
	}
}

func TestNew_DoesNotQuoteABadKey(t *testing.T) {
	t.Parallel()
	_, err := auth.New(auth.Config{
		Flow: auth.JWTBearer, LoginURL: "https://login.salesforce.com", ClientID: "x", Username: "y",
		PrivateKey: secret.New("-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----"),
	}, nil)
	if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("New() = %v", err)
	}
}

func TestSource_GoesOnWithARotatedRefreshToken(t *testing.T) {
	t.Parallel()
	e := &endpoint{answer: func(n int, form url.Values) *http.Response {
		if want := map[int]string{1: "first", 2: "second"}[n]; form.Get("refresh_token") != want {
			return reply(400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
		}
		return reply(200, `{"access_token":"t`+string(rune('0'+n))+`","refresh_token":"second","instance_url":"https://a.my.salesforce.com","id":"https://l/id/`+orgID+`/`+userID+`"}`)
	}}
	var told []string
	s := newSource(t, auth.Config{
		Flow: auth.RefreshToken, LoginURL: "https://login.salesforce.com", ClientID: "3MVG9", RefreshToken: secret.New("first"),
		RotatedFunc: func(r secret.String) { told = append(told, r.Reveal()) },
	}, e)
	s.Invalidate(token(t, s))
	token(t, s)
	if len(told) != 1 || told[0] != "second" {
		t.Errorf("told of %v", told)
	}
}

func TestConfig_ValidateNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	err := auth.Config{Flow: auth.JWTBearer}.Validate()
	for _, want := range []string{"login url", "client id", "user name", "private key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate() = %v, want it to name %s", err, want)
		}
	}
	if err := (auth.Config{Flow: "magic"}).Validate(); err == nil || !strings.Contains(err.Error(), "magic") {
		t.Errorf("Validate() = %v", err)
	}
	password := auth.Config{Flow: auth.Password, LoginURL: "https://login.salesforce.com", ClientID: "x", Username: "u", Password: secret.New("p")}
	if err := password.Validate(); err != nil {
		t.Error(err)
	}
}
