package session

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// millisecondsAbove tells an "exp" in milliseconds from one in seconds: as
// seconds it would lie more than a thousand years ahead.
const millisecondsAbove = 100_000_000_000

// assertionClaims are the claims of a JWT bearer assertion as clients send them:
// "exp" is a number or text, in seconds or in milliseconds.
type assertionClaims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience audience    `json:"aud"`
	Expires  json.Number `json:"exp"`
}

// audience is one value or a list.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// The jwt package checks the signature; the claims are checked here, since its
// own checks know only the standard's shapes.
func (*assertionClaims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil } // see above
func (*assertionClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil } // see above
func (*assertionClaims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil } // see above
func (c *assertionClaims) GetIssuer() (string, error)                 { return c.Issuer, nil }
func (c *assertionClaims) GetSubject() (string, error)                { return c.Subject, nil }
func (c *assertionClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings(c.Audience), nil
}

// expiry returns the moment of "exp".
func (c *assertionClaims) expiry() (time.Time, bool) {
	n, err := strconv.ParseFloat(c.Expires.String(), 64)
	if err != nil {
		return time.Time{}, false
	}
	if n > millisecondsAbove {
		return time.UnixMilli(int64(n)), true
	}
	return time.Unix(int64(n), 0), true
}

func (s *Store) grantAssertion(r *http.Request) (*tokenAnswer, *oauthError) {
	claims := &assertionClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	token, parts, err := parser.ParseUnverified(r.Form.Get("assertion"), claims)
	if err != nil {
		return nil, refuse("invalid_grant", "invalid assertion")
	}
	a, ok := s.apps[claims.Issuer]
	if !ok {
		return nil, refuse("invalid_client_id", "client identifier invalid")
	}
	if !verified(a, token, parts) {
		return nil, refuse("invalid_grant", "invalid assertion")
	}
	if !s.answersTo(r, claims.Audience) {
		return nil, refuse("invalid_grant", "Audience validation failed")
	}
	// Clients sign with the real time, which the org's movable clock has left.
	if expires, ok := claims.expiry(); !ok || !time.Now().Before(expires) {
		return nil, refuse("invalid_grant", "expired authorization code")
	}
	u, ok := s.user(claims.Subject)
	if !ok {
		return nil, refuse("invalid_grant", "user hasn't approved this consumer")
	}
	return s.answer(u, a, a.Scopes, digest{})
}

func verified(a *app, token *jwt.Token, parts []string) bool {
	if token.Method.Alg() != jwt.SigningMethodRS256.Alg() || len(parts) != 3 {
		return false
	}
	if a.key == nil {
		return a.TrustAnyAssertion
	}
	signature, err := jwt.NewParser().DecodeSegment(parts[2])
	if err != nil {
		return false
	}
	return jwt.SigningMethodRS256.Verify(strings.Join(parts[:2], "."), signature, a.key) == nil
}

// answersTo reports whether an assertion was made for this org. A trailing slash
// and a missing scheme are let pass, since clients that people use send both.
func (s *Store) answersTo(r *http.Request, given audience) bool {
	known := append([]string{
		"https://login.salesforce.com", "https://test.salesforce.com", s.cfg.InstanceURL, "http://" + r.Host, "https://" + r.Host,
	}, s.cfg.Audiences...)
	for i := range known {
		known[i] = bareHost(known[i])
	}
	return slices.ContainsFunc(given, func(aud string) bool { return slices.Contains(known, bareHost(aud)) })
}

func bareHost(aud string) string {
	if u, err := url.Parse(aud); err == nil && u.Host != "" {
		return strings.ToLower(u.Host)
	}
	return strings.ToLower(strings.TrimRight(aud, "/"))
}
