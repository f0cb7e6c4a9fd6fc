package caller

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// MinSecret is the least length of a secret. A shorter one could be guessed over
// the network, because a valid credential is never locked out by others' guesses.
const MinSecret = 16

// Config says who may call. Zero means the default.
type Config struct {
	// Callers are those who may call, by name. With none everybody may: only for a
	// listener that nobody else reaches.
	Callers map[string]Credentials
	// Routes are the names of the callers of a route, where it does not admit all.
	Routes map[string][]string
	// RouteFunc tells which route a request is for, or "". Required with Routes.
	RouteFunc func(*http.Request) string
	// TokenSecrets sign the tokens of our token endpoint: the first signs, all are
	// believed. None switches the endpoint off.
	TokenSecrets []secret.String
	// TokenLifetime is how long such a token is valid; default 15 minutes.
	TokenLifetime time.Duration
	// Window is how far the time of a signed request may be from ours, either way;
	// default 5 minutes. A request is remembered for twice as long, so that it is
	// not taken twice.
	Window time.Duration
	// MaxBody bounds the body of a signed request, which has to be read before it
	// can be believed; default 12 MiB, the most that Apex sends.
	MaxBody int64
	// Failures is how many failed requests per second one address may make before
	// it is told to wait; default 20, at first ten times as many.
	Failures int
}

// Credentials are one caller's, in any combination.
type Credentials struct {
	// Tokens are presented as "Authorization: Bearer <token>".
	Tokens []secret.String
	// Passwords are presented as HTTP basic authentication, the caller's name being
	// the user name.
	Passwords []secret.String
	// SigningKeys sign requests, as [Scheme] describes.
	SigningKeys []secret.String
	// ClientSecrets get tokens from our token endpoint, the caller's name being the
	// client id.
	ClientSecrets []secret.String
	// PublicKeys are the SHA-256 of the public keys (SubjectPublicKeyInfo) of client
	// certificates, in hexadecimal.
	PublicKeys []string
	// Subjects are the distinguished names (RFC 2253) of client certificates that
	// chain up to Roots.
	Subjects []string
	Roots    *x509.CertPool
	// JWT admits the tokens of a foreign issuer; nil admits none.
	JWT *Issuer
	// Rate is how many requests per second the caller may make; 0 means no limit.
	// Burst is how many at once; default Rate.
	Rate, Burst int
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.TokenLifetime == 0 {
		c.TokenLifetime = 15 * time.Minute
	}
	if c.Window == 0 {
		c.Window = 5 * time.Minute
	}
	if c.MaxBody == 0 {
		c.MaxBody = 12 << 20
	}
	if c.Failures == 0 {
		c.Failures = 20
	}
	return c
}

// Validate reports everything in c that cannot work. It repeats no secret.
func (c Config) Validate() error {
	var errs []error
	for i, s := range c.TokenSecrets {
		errs = append(errs, checkSecret(fmt.Sprintf("token secret %d", i+1), s))
	}
	if c.TokenLifetime < 0 || c.Window < 0 || c.MaxBody < 0 || c.Failures < 0 {
		errs = append(errs, errors.New("lifetime, window, body and failures must be positive"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Callers)) {
		if err := c.Callers[name].validate(len(c.TokenSecrets) > 0); err != nil {
			errs = append(errs, fmt.Errorf("caller %q: %w", name, err))
		}
	}
	for _, route := range slices.Sorted(maps.Keys(c.Routes)) {
		for _, name := range c.Routes[route] {
			if _, ok := c.Callers[name]; !ok {
				errs = append(errs, fmt.Errorf("route %q admits caller %q, who is not known", route, name))
			}
		}
	}
	if len(c.Routes) > 0 && c.RouteFunc == nil {
		errs = append(errs, errors.New("routes without a way to tell them"))
	}
	return errors.Join(append(errs, c.ambiguous())...)
}

func (c Credentials) validate(endpoint bool) error {
	var errs []error
	for kind, list := range map[string][]secret.String{
		"token": c.Tokens, "password": c.Passwords, "signing key": c.SigningKeys, "client secret": c.ClientSecrets,
	} {
		for i, s := range list {
			errs = append(errs, checkSecret(fmt.Sprintf("%s %d", kind, i+1), s))
		}
	}
	for _, key := range c.PublicKeys {
		if _, err := parseFingerprint(key); err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case len(c.ClientSecrets) > 0 && !endpoint:
		errs = append(errs, errors.New("client secrets without a token secret: no token can be signed"))
	case len(c.Subjects) > 0 && c.Roots == nil:
		errs = append(errs, errors.New("certificate subjects without authorities: anybody can write a name into a certificate"))
	case c.Rate < 0 || c.Burst < 0 || c.Burst > 0 && c.Rate == 0:
		errs = append(errs, errors.New("rate and burst must be positive, and a burst needs a rate"))
	}
	if c.JWT != nil {
		errs = append(errs, c.JWT.validate())
	}
	return errors.Join(errs...)
}

func checkSecret(what string, s secret.String) error {
	if len(s.Reveal()) < MinSecret {
		return fmt.Errorf("%s is shorter than %d characters and could be guessed; make one with: openssl rand -hex 32", what, MinSecret)
	}
	return nil
}

// ambiguous refuses a token that two callers have, because a request could not
// say which of them it comes from.
func (c Config) ambiguous() error {
	owner := map[string]string{}
	var errs []error
	claim := func(kind, value, name string) {
		if other, taken := owner[kind+value]; taken && other != name {
			errs = append(errs, fmt.Errorf("callers %q and %q have the same %s", other, name, kind))
		}
		owner[kind+value] = name
	}
	for _, name := range slices.Sorted(maps.Keys(c.Callers)) {
		who := c.Callers[name]
		for _, s := range who.Tokens {
			claim("token", s.Reveal(), name)
		}
		for _, key := range who.PublicKeys {
			if f, err := parseFingerprint(key); err == nil {
				claim("public key", string(f[:]), name)
			}
		}
		for _, subject := range who.Subjects {
			claim("certificate subject", subject, name)
		}
		if j := who.JWT; j != nil {
			claim("issuer, audience and subject", j.Issuer+"\x00"+j.Audience+"\x00"+j.Subject, name)
		}
	}
	return errors.Join(errs...)
}
