package caller

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// ours is the issuer and audience of our own tokens.
const ours = "sallyport"

// tokens gives out and checks the tokens of our endpoint: JWTs under keys derived
// from configured secrets. Nothing is stored, so a token is good in every process
// with the secret, and after a restart. It dies with its time, with the secret that
// signed it, and with the client secret that it was given for.
type tokens struct {
	lifetime time.Duration
	keys     []tokenKeys // the first signs
	// grants are the client secrets that may have tokens, as marks, by caller.
	secrets map[string][]secret.String
}

// tokenKeys are what is derived from one configured secret.
type tokenKeys struct{ sign, mark []byte }

// claims are those of our tokens.
type claims struct {
	// Mark tells which client secret the token was given for: rotating the secret
	// away ends its tokens. It is a keyed hash, which does not give the secret away.
	Mark string `json:"mark"`
	jwt.RegisteredClaims
}

func newTokens(c Config) (*tokens, error) {
	if len(c.TokenSecrets) == 0 {
		return nil, nil // no endpoint, which is no failure
	}
	t := &tokens{lifetime: c.TokenLifetime, secrets: map[string][]secret.String{}}
	for _, s := range c.TokenSecrets {
		keys, err := deriveKeys(s)
		if err != nil {
			return nil, err
		}
		t.keys = append(t.keys, keys)
	}
	for name, who := range c.Callers {
		t.secrets[name] = who.ClientSecrets
	}
	return t, nil
}

func deriveKeys(s secret.String) (keys tokenKeys, err error) {
	derive := func(purpose string) []byte {
		key, e := hkdf.Key(sha256.New, []byte(s.Reveal()), nil, purpose, 32)
		err = errors.Join(err, e)
		return key
	}
	keys = tokenKeys{sign: derive("sallyport caller token"), mark: derive("sallyport client secret mark")}
	if err != nil {
		return keys, fmt.Errorf("derive token key: %w", err)
	}
	return keys, nil
}

func (k tokenKeys) markOf(caller, clientSecret string) string {
	mac := hmac.New(sha256.New, k.mark)
	_, _ = mac.Write([]byte(caller + "\x00" + clientSecret))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// grant signs a token for a caller who has shown a client secret.
func (t *tokens) grant(caller, clientSecret string, now time.Time) (string, error) {
	keys := t.keys[0]
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Mark: keys.markOf(caller, clientSecret),
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: ours, Audience: jwt.ClaimStrings{ours}, Subject: caller, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(t.lifetime)),
		},
	})
	token.Header["typ"] = "at+jwt" // RFC 9068
	return token.SignedString(keys.sign)
}

// errNotOurs is a token that no key of ours has signed.
var errNotOurs = errors.New("not signed by us")

// check returns whose token it is. An error wrapping [jwt.ErrTokenExpired] comes
// with the name of the caller it was given to.
func (t *tokens) check(token string) (string, error) {
	for _, keys := range t.keys {
		var c claims
		_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return keys.sign, nil },
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(ours), jwt.WithAudience(ours), jwt.WithExpirationRequired())
		if errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			continue
		}
		if err != nil {
			return c.Subject, err
		}
		for _, s := range t.secrets[c.Subject] {
			if hmac.Equal([]byte(keys.markOf(c.Subject, s.Reveal())), []byte(c.Mark)) {
				return c.Subject, nil
			}
		}
		return "", errNotOurs
	}
	return "", errNotOurs
}

// signedToken checks a bearer token that is none of the configured ones: one of
// ours or one of a foreign issuer. Which of them it may be is read from the token
// before it is believed; that chooses a key, and the key decides.
func (s *Callers) signedToken(ctx context.Context, token string) (Caller, *refusal) {
	if strings.Count(token, ".") != 2 {
		return Caller{}, unauthenticated("a token that no caller has")
	}
	var claimed jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claimed); err != nil {
		return Caller{}, unauthenticated("a token that cannot be read")
	}
	if claimed.Issuer != ours {
		return s.foreign(ctx, token, claimed.Issuer)
	}
	if s.tokens == nil {
		return Caller{}, unauthenticated("a token of an endpoint that is not configured")
	}
	name, err := s.tokens.check(token)
	switch {
	case err == nil:
		return Caller{name, OAuth}, nil
	case errors.Is(err, jwt.ErrTokenExpired):
		return Caller{}, expired(s.known(name))
	}
	return Caller{}, unauthenticated("a token that we did not sign")
}
