package auth

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Flow is an OAuth flow of the token endpoint.
type Flow string

// The flows that need no person at the moment of login.
const (
	// ClientCredentials logs in as the app's Run As user; My Domain hosts only.
	ClientCredentials Flow = "client_credentials"
	// JWTBearer logs in as Username with an assertion signed by PrivateKey.
	JWTBearer Flow = "jwt_bearer"
	// RefreshToken continues a login that a person once approved.
	RefreshToken Flow = "refresh_token"
	// Password is the old user name and password flow, blocked in new orgs.
	Password Flow = "password"
)

// Config says how to log in to one org.
type Config struct {
	Flow Flow
	// LoginURL is the host to log in at: the My Domain, or
	// https://login.salesforce.com. Plain http is accepted for loopback only.
	LoginURL string
	// AllowHTTP accepts plain http for other hosts too. Secrets and tokens then
	// travel in the clear; for simulators in a private network.
	AllowHTTP bool
	// ClientID is the app's consumer key.
	ClientID string
	// ClientSecret is the app's consumer secret; optional for JWT bearer and
	// for refresh tokens of public clients.
	ClientSecret secret.String
	// Username is for JWT bearer and password.
	Username string
	// Password is followed by the security token where the org asks for one.
	Password secret.String
	// PrivateKey is an RSA key in PEM, PKCS#1 or PKCS#8, for JWT bearer.
	PrivateKey secret.String
	// Audience is the JWT's aud; default LoginURL.
	Audience string
	// RefreshToken is the one to start with.
	RefreshToken secret.String
	// RotatedFunc is told of a new refresh token where the app rotates them; the
	// old one is dead by then. It must not call the Source. Optional.
	RotatedFunc func(refreshToken secret.String)

	// Timeout bounds one request to the token endpoint; default 30 s.
	Timeout time.Duration
	// Attempts is how often one call of Token tries when failures may pass; default 4.
	Attempts int
	// RetryWait is the wait after the first failure, doubled for each next one
	// up to MaxWait, with full jitter; default 500 ms and 15 s.
	RetryWait time.Duration
	MaxWait   time.Duration
	// RefusalHold is how long a refusal that only a person can heal is repeated
	// to callers without asking Salesforce again; default 1 min. It keeps a wrong
	// secret from locking the user out.
	RefusalHold time.Duration
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	c.LoginURL = strings.TrimRight(c.LoginURL, "/")
	if c.Audience == "" {
		c.Audience = c.LoginURL
	}
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.Attempts, 4)
	setDefault(&c.RetryWait, 500*time.Millisecond)
	setDefault(&c.MaxWait, 15*time.Second)
	setDefault(&c.RefusalHold, time.Minute)
	return c
}

func setDefault[T ~int | ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Validate reports everything that keeps the flow from working.
func (c Config) Validate() error {
	var errs []error
	if _, err := checkURL(c.LoginURL, c.AllowHTTP); err != nil {
		errs = append(errs, fmt.Errorf("login url: %w", err))
	}
	require := func(missing bool, what string) {
		if missing {
			errs = append(errs, fmt.Errorf("flow %s needs %s", c.Flow, what))
		}
	}
	require(c.ClientID == "", "a client id")
	switch c.Flow {
	case ClientCredentials:
		require(c.ClientSecret.IsZero(), "a client secret")
	case JWTBearer:
		require(c.Username == "", "a user name")
		require(c.PrivateKey.IsZero(), "a private key")
	case RefreshToken:
		require(c.RefreshToken.IsZero(), "a refresh token")
	case Password:
		require(c.Username == "", "a user name")
		require(c.Password.IsZero(), "a password")
	default:
		errs = append(errs, fmt.Errorf("unknown flow %q: want client_credentials, jwt_bearer, refresh_token or password", c.Flow))
	}
	return errors.Join(errs...)
}

// checkURL accepts https anywhere and http on loopback (anywhere if allowHTTP),
// and returns the URL without a trailing slash. Tokens and secrets never go
// anywhere else.
func checkURL(s string, allowHTTP bool) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("malformed URL")
	}
	switch {
	case u.Host == "":
		return "", fmt.Errorf("want https://host, have %q", s)
	case u.User != nil:
		return "", fmt.Errorf("a URL with a user in it is refused")
	case u.Scheme == "https", u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return strings.TrimRight(s, "/"), nil
	}
	return "", fmt.Errorf("want https (plain http only on loopback), have %q", u.Scheme+"://"+u.Host)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
