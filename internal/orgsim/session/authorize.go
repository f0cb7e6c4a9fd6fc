package session

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// codeLifetime is how long an authorization code can be exchanged.
const codeLifetime = 15 * time.Minute

// authCode is an authorization code that waits to be exchanged, once.
type authCode struct {
	app         *app
	user        *User
	redirectURI string
	challenge   string // S256, empty without PKCE
	scope       string
	expires     time.Time
}

// serveAuthorize is the web server flow's first step. There is no login page:
// the user of login_hint (else the app's run-as user, else the first) agrees at once.
func (s *Store) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a, ok := s.apps[q.Get("client_id")]
	if !ok {
		writeRefusal(w, refuse("invalid_client_id", "client identifier invalid"))
		return
	}
	callback, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !callback.IsAbs() || len(a.RedirectURIs) > 0 && !slices.Contains(a.RedirectURIs, q.Get("redirect_uri")) {
		writeRefusal(w, refuse("redirect_uri_mismatch", "redirect_uri must match configuration"))
		return
	}
	answer := callback.Query()
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	switch u := s.consentingUser(a, q.Get("login_hint")); {
	case q.Get("response_type") != "code":
		answer.Set("error", "unsupported_response_type")
		answer.Set("error_description", "response type not supported")
	case u == nil:
		answer.Set("error", "access_denied")
		answer.Set("error_description", "end-user denied authorization")
	default:
		answer.Set("code", s.newCode(a, u, q))
	}
	callback.RawQuery = answer.Encode()
	http.Redirect(w, r, callback.String(), http.StatusFound)
}

func (s *Store) consentingUser(a *app, hint string) *User {
	for _, name := range []string{hint, a.RunAs} {
		if u, ok := s.user(name); ok {
			return u
		}
	}
	if hint != "" || len(s.order) == 0 {
		return nil
	}
	return s.order[0]
}

func (s *Store) newCode(a *app, u *User, q url.Values) string {
	scope := q.Get("scope")
	if scope == "" {
		scope = a.Scopes
	}
	code := "aPrx" + randomText(60)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[hash(code)] = &authCode{
		app: a, user: u, redirectURI: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), scope: scope,
		expires: s.cfg.Clock.Now().Add(codeLifetime),
	}
	return code
}

func (s *Store) grantCode(r *http.Request) (*tokenAnswer, *oauthError) {
	a, refusal := s.client(r, false)
	if refusal != nil {
		return nil, refusal
	}
	key := hash(r.Form.Get("code"))
	s.mu.Lock()
	c, ok := s.codes[key]
	delete(s.codes, key)
	s.mu.Unlock()
	switch {
	case !ok || c.app != a:
		return nil, refuse("invalid_grant", "invalid authorization code")
	case !s.cfg.Clock.Now().Before(c.expires):
		return nil, refuse("invalid_grant", "expired authorization code")
	case r.Form.Get("redirect_uri") != c.redirectURI:
		return nil, refuse("redirect_uri_mismatch", "redirect_uri must match configuration")
	case c.challenge != "" && !sameSecret(c.challenge, challengeOf(r.Form.Get("code_verifier"))):
		return nil, refuse("invalid_grant", "invalid code verifier")
	case c.challenge == "" && !sameSecret(a.ClientSecret, r.Form.Get("client_secret")) && !basicSecretIs(r, a):
		return nil, refuse("invalid_client", "invalid client credentials")
	}
	return s.answerCode(a, c)
}

func basicSecretIs(r *http.Request, a *app) bool {
	_, secret, ok := r.BasicAuth()
	return ok && sameSecret(a.ClientSecret, secret)
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Store) answerCode(a *app, c *authCode) (*tokenAnswer, *oauthError) {
	if !hasScope(c.scope, "refresh_token", "offline_access") {
		return s.answer(c.user, a, c.scope, digest{})
	}
	refresh := s.consent(a, c.user, c.scope)
	answer, refusal := s.answer(c.user, a, c.scope, hash(refresh))
	if refusal == nil {
		answer.RefreshToken = refresh
	}
	return answer, refusal
}
