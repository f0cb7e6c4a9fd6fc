package caller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer is somebody else's token service.
type Issuer struct {
	// Issuer is what its tokens say in iss, exactly.
	Issuer string
	// KeysURL is where its keys are (jwks_uri); https, or http on this machine.
	KeysURL string
	// Audience is what a token for this gateway says in aud.
	Audience string
	// Subject is what the caller's tokens say in sub; empty admits every subject
	// that the issuer gives tokens for this audience.
	Subject string
	// Algorithms are those a token may be signed with: asymmetric ones only.
	// Default RS256 and ES256.
	Algorithms []string
}

// leeway is how far the issuer's clock may be from ours.
const leeway = 30 * time.Second

// algorithms are those that can be chosen. HMAC is not among them: its key would
// have to be public. Nor is "none".
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func (i *Issuer) withDefaults() Issuer {
	c := *i
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "ES256"}
	}
	return c
}

func (i *Issuer) validate() error {
	var errs []error
	if i.Issuer == "" || i.Audience == "" {
		errs = append(errs, errors.New("jwt: issuer and audience are required: without an audience any token of the issuer would do"))
	}
	if i.Issuer == ours {
		errs = append(errs, fmt.Errorf("jwt: issuer %q is this gateway's own", ours))
	}
	u, err := url.Parse(i.KeysURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		errs = append(errs, errors.New("jwt: the address of the keys is not https: whoever sits between could replace them"))
	}
	for _, alg := range i.Algorithms {
		if !slices.Contains(algorithms, alg) {
			errs = append(errs, fmt.Errorf("jwt: algorithm %.20q is none of %s", alg, strings.Join(algorithms, ", ")))
		}
	}
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// issuer is a caller's.
type issuer struct {
	Issuer
	name string
	keys *keySet
}

// check verifies a token. The algorithm is one of those configured, never what
// the token would like.
func (i *issuer) check(ctx context.Context, token string) error {
	options := []jwt.ParserOption{
		jwt.WithValidMethods(i.Algorithms), jwt.WithIssuer(i.Issuer.Issuer), jwt.WithAudience(i.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
	}
	if i.Subject != "" {
		options = append(options, jwt.WithSubject(i.Subject))
	}
	_, err := jwt.ParseWithClaims(token, &jwt.RegisteredClaims{}, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return i.keys.find(ctx, kid, t.Method.Alg())
	}, options...)
	return err
}

// foreign finds the caller whose issuer's token it is.
func (s *Callers) foreign(ctx context.Context, token, claimed string) (Caller, *refusal) {
	why, late := "a token of an issuer that no caller has", ""
	for _, i := range s.issuers {
		if i.Issuer.Issuer != claimed {
			continue
		}
		err := i.check(ctx, token)
		switch {
		case err == nil:
			return Caller{i.name, JWT}, nil
		case errors.Is(err, jwt.ErrTokenExpired):
			late = i.name
		case errors.Is(err, errFetch):
			why = "the issuer's keys, which could not be fetched"
		default:
			why = "a token of a known issuer that does not fit"
		}
	}
	if late != "" {
		return Caller{}, expired(late)
	}
	return Caller{}, unauthenticated(why)
}
