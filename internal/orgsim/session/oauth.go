package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// maxForm bounds a form or SOAP body; assertions are the largest, a few kilobytes.
const maxForm = 256 << 10

const (
	grantClientCredentials = "client_credentials"
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantRefreshToken      = "refresh_token"
	grantPassword          = "password"
	grantCode              = "authorization_code"
)

// oauthError is an OAuth endpoint's refusal.
type oauthError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func refuse(code, description string) *oauthError {
	return &oauthError{status: http.StatusBadRequest, Code: code, Description: description}
}

// tokenAnswer is a token endpoint's answer, keys in the platform's order.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Signature    string `json:"signature"`
	Scope        string `json:"scope"`
	InstanceURL  string `json:"instance_url"`
	ID           string `json:"id"`
	TokenType    string `json:"token_type"`
	IssuedAt     string `json:"issued_at"` // milliseconds, as text; there is no expires_in
}

// Handler serves OAuth, OpenID discovery, identity, single access and SOAP login.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/oauth2/token", s.serveToken)
	mux.HandleFunc("GET /services/oauth2/authorize", s.serveAuthorize)
	mux.HandleFunc("/services/oauth2/revoke", s.serveRevoke)
	mux.HandleFunc("POST /services/oauth2/introspect", s.serveIntrospect)
	mux.HandleFunc("/services/oauth2/userinfo", s.serveUserinfo)
	mux.HandleFunc("/services/oauth2/singleaccess", s.serveSingleAccess)
	mux.HandleFunc("GET /secur/frontdoor.jsp", s.serveFrontdoor)
	mux.HandleFunc("/id/{org}/{user}", s.serveIdentity)
	mux.HandleFunc("GET /.well-known/openid-configuration", s.serveDiscovery)
	mux.HandleFunc("POST /services/Soap/{api}/{version}", s.serveSOAP)
	mux.HandleFunc("POST /services/Soap/{api}/{version}/{org}", s.serveSOAP)
	return mux
}

func (s *Store) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		writeRefusal(w, refuse("invalid_request", "malformed request"))
		return
	}
	answer, refusal := s.grant(r)
	if refusal != nil {
		s.cfg.Logger.Info("refuse a login", "grant", r.PostForm.Get("grant_type"), "error", refusal.Code, "description", refusal.Description)
		writeRefusal(w, refusal)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, answer)
}

func (s *Store) grant(r *http.Request) (*tokenAnswer, *oauthError) {
	switch r.Form.Get("grant_type") {
	case grantClientCredentials:
		return s.grantClientCredentials(r)
	case grantJWTBearer:
		return s.grantAssertion(r)
	case grantRefreshToken:
		return s.grantRefresh(r)
	case grantPassword:
		return s.grantPassword(r)
	case grantCode:
		return s.grantCode(r)
	default:
		return nil, refuse("unsupported_grant_type", "grant type not supported")
	}
}

// client finds the calling app from the Authorization header or the form. With
// secretNeeded a missing secret is as wrong as a wrong one.
func (s *Store) client(r *http.Request, secretNeeded bool) (*app, *oauthError) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.Form.Get("client_id"), r.Form.Get("client_secret")
	}
	a, ok := s.apps[id]
	if !ok {
		return nil, refuse("invalid_client_id", "client identifier invalid")
	}
	if (secretNeeded || secret != "") && !sameSecret(a.ClientSecret, secret) {
		return nil, refuse("invalid_client", "invalid client credentials")
	}
	return a, nil
}

func (s *Store) grantClientCredentials(r *http.Request) (*tokenAnswer, *oauthError) {
	a, refusal := s.client(r, true)
	if refusal != nil {
		return nil, refusal
	}
	u, ok := s.user(a.RunAs)
	if !ok || a.ClientSecret == "" {
		return nil, refuse("invalid_grant", "no client credentials user enabled")
	}
	return s.answer(u, a, a.Scopes, digest{})
}

func (s *Store) grantPassword(r *http.Request) (*tokenAnswer, *oauthError) {
	a, refusal := s.client(r, true)
	if refusal != nil {
		return nil, refusal
	}
	u, ok := s.user(r.Form.Get("username"))
	if !ok || !u.passwordIs(r.Form.Get("password")) {
		return nil, refuse("invalid_grant", "authentication failure")
	}
	return s.answer(u, a, a.Scopes, digest{})
}

func (s *Store) grantRefresh(r *http.Request) (*tokenAnswer, *oauthError) {
	a, refusal := s.client(r, false)
	if refusal != nil {
		return nil, refusal
	}
	key := hash(r.Form.Get("refresh_token"))
	s.mu.Lock()
	g, ok := s.refresh[key]
	s.mu.Unlock()
	if !ok || g.app != a {
		return nil, refuse("invalid_grant", "expired access/refresh token")
	}
	return s.answer(g.user, a, g.scope, key)
}

// answer opens a session and describes it.
func (s *Store) answer(u *User, a *app, scope string, parent digest) (*tokenAnswer, *oauthError) {
	if u.Inactive {
		return nil, refuse("inactive_user", "user is inactive")
	}
	session := s.open(u, a, scope, parent)
	id, issued := s.identityURL(u.ID), strconv.FormatInt(session.Issued.UnixMilli(), 10)
	return &tokenAnswer{
		AccessToken: session.Token, Signature: sign(a.ClientSecret, id+issued), Scope: scope,
		InstanceURL: s.cfg.InstanceURL, ID: id, TokenType: "Bearer", IssuedAt: issued,
	}, nil
}

func sign(secret, message string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(message))
	return encodeBase64(mac.Sum(nil))
}

// NewRefreshToken gives a user's consent to an app without a browser, and
// returns the refresh token that the web server flow would have ended with.
func (s *Store) NewRefreshToken(clientID, username string) (string, bool) {
	a, known := s.apps[clientID]
	u, exists := s.user(username)
	if !known || !exists {
		return "", false
	}
	return s.consent(a, u, a.Scopes), true
}

func (s *Store) consent(a *app, u *User, scope string) string {
	token := "5Aep861" + randomText(80)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh[hash(token)] = &refreshGrant{app: a, user: u, scope: scope}
	return token
}

func hasScope(scopes string, wanted ...string) bool {
	for scope := range strings.FieldsSeq(scopes) {
		for _, w := range wanted {
			if scope == w {
				return true
			}
		}
	}
	return false
}

func writeRefusal(w http.ResponseWriter, e *oauthError) { writeJSON(w, e.status, e) }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
