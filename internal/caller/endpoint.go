package caller

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TokenPath is where the token endpoint is served.
const TokenPath = "/oauth2/token"

// maxTokenRequest bounds a request for a token.
const maxTokenRequest = 16 << 10

// oauthError is an answer of RFC 6749 §5.2.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`

	status int
	wait   time.Duration
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
}

// TokenEndpoint serves POST [TokenPath]: OAuth 2.0 client credentials (RFC 6749
// §4.4), with the client's id and secret in basic authentication or in the form.
// Without token secrets it answers 404.
func (s *Callers) TokenEndpoint() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		answer, refused := s.giveToken(w, r)
		if refused == nil {
			_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
			return
		}
		s.deps.Metrics.refused(refused.Error)
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="sallyport"`)
		}
		if refused.wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(seconds(refused.wait)))
		}
		w.WriteHeader(refused.status)
		_ = json.NewEncoder(w).Encode(refused)
	})
}

func (s *Callers) giveToken(w http.ResponseWriter, r *http.Request) (tokenAnswer, *oauthError) {
	form, refused := s.tokenForm(w, r)
	if refused != nil {
		return tokenAnswer{}, refused
	}
	id, secret, refused := clientOf(r, form)
	if refused != nil {
		return tokenAnswer{}, refused
	}
	name, ok := s.book.clientSecret(id, secret)
	if !ok {
		return tokenAnswer{}, s.strangerAtEndpoint(r, id)
	}
	now := time.Now()
	token, err := s.tokens.grant(name, secret, now)
	if err != nil {
		s.deps.Log.ErrorContext(r.Context(), "token not signed", "caller", name, "err", err)
		return tokenAnswer{}, &oauthError{"server_error", "The token could not be signed; see the gateway's log.", http.StatusInternalServerError, 0}
	}
	s.deps.Metrics.granted(name)
	return tokenAnswer{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(s.tokens.lifetime.Seconds())}, nil
}

func (s *Callers) tokenForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case s.tokens == nil:
		return nil, &oauthError{"not_found", "This gateway has no token endpoint; set token_endpoint.secrets in its configuration.", http.StatusNotFound, 0}
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return nil, &oauthError{"invalid_request", "Use POST.", http.StatusMethodNotAllowed, 0}
	case media != "application/x-www-form-urlencoded":
		return nil, &oauthError{"invalid_request", "Send the parameters as application/x-www-form-urlencoded.", http.StatusBadRequest, 0}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	if err := r.ParseForm(); err != nil {
		return nil, &oauthError{"invalid_request", "The form cannot be read; it may be too large.", http.StatusBadRequest, 0}
	}
	switch grant := r.PostForm["grant_type"]; {
	case len(grant) != 1:
		return nil, &oauthError{"invalid_request", "Send grant_type=client_credentials, once.", http.StatusBadRequest, 0}
	case grant[0] != "client_credentials":
		return nil, &oauthError{"unsupported_grant_type", "This endpoint knows grant_type=client_credentials.", http.StatusBadRequest, 0}
	}
	return r.PostForm, nil
}

// clientOf reads the client's id and secret from one of the two places (RFC 6749
// §2.3.1). In basic authentication both are form-encoded; Salesforce and many
// others send them as they are, which is the same for what openssl rand writes.
func clientOf(r *http.Request, form url.Values) (id, secret string, _ *oauthError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if len(form["client_id"]) > 1 || len(form["client_secret"]) > 1 {
			return "", "", &oauthError{"invalid_request", "Send client_id and client_secret once.", http.StatusBadRequest, 0}
		}
		return form.Get("client_id"), form.Get("client_secret"), nil
	}
	if form.Has("client_secret") {
		return "", "", &oauthError{"invalid_request", "Send the client's secret in one place.", http.StatusBadRequest, 0}
	}
	scheme, value := splitScheme(header)
	user, password, ok := parseBasic(value)
	if scheme != "basic" || !ok {
		return "", "", nil // an unknown client, like any other
	}
	return unescaped(user), unescaped(password), nil
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (s *Callers) strangerAtEndpoint(r *http.Request, id string) *oauthError {
	s.note(r, Caller{}, &refusal{status: http.StatusUnauthorized, why: "a client id and secret that no caller has", who: s.known(id)})
	if wait := s.failures.wait(r); wait > 0 {
		return &oauthError{"temporarily_unavailable", "Too many requests from this address were refused; wait as long as Retry-After says.", http.StatusTooManyRequests, wait}
	}
	return &oauthError{"invalid_client", "The client id or secret is not valid; check the External Credential's principal.", http.StatusUnauthorized, 0}
}
