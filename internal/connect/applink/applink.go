// Package applink makes the context that Heroku AppLink hands to an application
// with each request, the header x-client-context: which org and user a request comes
// from, and an access token for that org. An application written with AppLink's SDK
// then runs behind Sallyport as it is.
//
// The user is the one that the gateway is logged in as, never the one behind a
// request: AppLink's other modes, in which the caller's own permissions count, need a
// session of the caller, which a gateway does not have. The application can do in the
// org what that user can.
//
// It owns the form of the header and looks after the token: one that the org no longer
// takes is replaced before it is handed out. It sends nothing itself. The
// invariant a stranger would break: the header is made for one request and appears
// in no log, error or store.
package applink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// Tokens gives access tokens; [auth.Source] does.
type Tokens interface {
	Token(ctx context.Context) (auth.Token, error)
	Invalidate(stale auth.Token)
}

// Config is how contexts are made. Zero means the default.
type Config struct {
	// Version of the Salesforce APIs that the application shall use; default "67.0".
	Version string
	// Username is what the context says where the org does not tell it.
	Username string
	// Check is how long a token is handed out without asking the org whether it still
	// takes it; default 5 minutes. A session ends after 15 minutes without use at the
	// earliest, and asking counts as use.
	Check time.Duration
	// Timeout bounds one question to the org; default 5 s.
	Timeout time.Duration
}

// Source makes contexts of one org. It is safe for concurrent use.
type Source struct {
	config Config
	tokens Tokens
	http   *http.Client
	// asking is held by the one who asks the org, and guards session.
	asking  chan struct{}
	session session
}

// session is a token that the org took, with the user it belongs to.
type session struct {
	token    auth.Token
	username string
	checked  time.Time
}

// New returns a source of contexts. It connects at the first one. The client's
// transport is used; nil means http.DefaultTransport.
func New(c Config, tokens Tokens, client *http.Client) (*Source, error) {
	if tokens == nil {
		return nil, errors.New("build client contexts: tokens are required")
	}
	if c.Version == "" {
		c.Version = "67.0"
	}
	if c.Check == 0 {
		c.Check = 5 * time.Minute
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	own := &http.Client{Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if client != nil {
		own.Transport = client.Transport
	}
	return &Source{config: c, tokens: tokens, http: own, asking: make(chan struct{}, 1)}, nil
}

// clientContext is the header's JSON. Its names are AppLink's.
type clientContext struct {
	RequestID    string      `json:"requestId"`
	AccessToken  string      `json:"accessToken"`
	APIVersion   string      `json:"apiVersion"`
	Namespace    *string     `json:"namespace"`
	OrgID        string      `json:"orgId"`
	OrgDomainURL string      `json:"orgDomainUrl"`
	UserContext  userContext `json:"userContext"`
}

type userContext struct {
	UserID   string `json:"userId"`
	Username string `json:"username"`
}

// Header returns the value of x-client-context for a request about an event. It
// may log in, or ask the org; then it blocks until that is done or ctx ends. Its
// errors carry no token.
func (s *Source) Header(ctx context.Context, e *event.Event) (string, error) {
	current, err := s.current(ctx)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(clientContext{
		RequestID: e.ID, AccessToken: current.token.AccessToken.Reveal(), APIVersion: s.config.Version,
		OrgID: string(current.token.OrgID), OrgDomainURL: current.token.InstanceURL,
		UserContext: userContext{UserID: string(current.token.UserID), Username: current.username},
	})
	if err != nil { // made of texts only
		return "", errors.New("write client context")
	}
	return base64.StdEncoding.EncodeToString(text), nil
}

// current returns a session that the org took not long ago.
func (s *Source) current(ctx context.Context) (session, error) {
	token, err := s.tokens.Token(ctx)
	if err != nil {
		return session{}, err
	}
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return session{}, context.Cause(ctx)
	}
	if s.session.token == token && time.Since(s.session.checked) < s.config.Check {
		return s.session, nil
	}
	return s.check(ctx, token)
}

// check asks the org about a token, and once more about a new one if it refuses
// that. An org that refuses both has an app that may not ask; its tokens are good.
func (s *Source) check(ctx context.Context, token auth.Token) (session, error) {
	username, err := s.askUser(ctx, token)
	if errors.Is(err, errRefused) {
		s.tokens.Invalidate(token)
		if token, err = s.tokens.Token(ctx); err != nil {
			return session{}, err
		}
		username, err = s.askUser(ctx, token)
	}
	if err != nil && !errors.Is(err, errRefused) {
		return session{}, err
	}
	if username == "" {
		username = s.config.Username
	}
	s.session = session{token: token, username: username, checked: time.Now()}
	return s.session, nil
}

// errRefused is a token that the org does not take, or not for this.
var errRefused = errors.New("the org refuses the token")

// maxUserInfo bounds the org's answer.
const maxUserInfo = 64 << 10

// askUser asks whose token it is.
func (s *Source) askUser(ctx context.Context, token auth.Token) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, token.InstanceURL+"/services/oauth2/userinfo", nil)
	if err != nil {
		return "", fmt.Errorf("ask for the user: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	answer, err := s.http.Do(r)
	if err != nil {
		return "", unreachable(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxUserInfo))
	switch {
	case err != nil:
		return "", unreachable(err)
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return "", errRefused
	case answer.StatusCode != http.StatusOK:
		return "", unreachable(fmt.Errorf("status %d", answer.StatusCode))
	}
	var user struct {
		Username string `json:"preferred_username"`
	}
	if json.Unmarshal(body, &user) != nil {
		return "", unreachable(errors.New("not JSON"))
	}
	return user.Username, nil
}

func unreachable(err error) error {
	return &event.Error{
		Op: "ask the org for the gateway's user", Happened: event.HappenedNo, Healing: event.Transient,
		Hint: "check that the org can be reached from this machine", Err: err,
	}
}
