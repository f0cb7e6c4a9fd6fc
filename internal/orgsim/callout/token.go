package callout

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxTokenAnswer bounds what a token endpoint may say.
const maxTokenAnswer = 64 << 10

// tokenSource keeps one access token until a server refuses it: the platform
// refreshes on a refusal, not by the clock.
type tokenSource struct {
	// turn is held while a token is fetched, so that one is enough for all; a
	// channel, so that a callout can give up waiting when its time is over.
	turn    chan struct{}
	current string
}

func newTokenSource() tokenSource { return tokenSource{turn: make(chan struct{}, 1)} }

// forget drops the token, unless another one has taken its place.
func (s *tokenSource) forget(ctx context.Context, token string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if s.current == token {
		s.current = ""
	}
	return nil
}

func (s *tokenSource) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *tokenSource) unlock() { <-s.turn }

// authorization returns what puts the credential's headers on a request, and the
// token that it uses, if it is one that was fetched.
func (c *credential) authorization(ctx context.Context, agent string) (func(http.Header), string, error) {
	name, value, token := "", "", ""
	switch c.Auth.Protocol {
	case Bearer:
		name, value = "Authorization", "Bearer "+c.Auth.Token
	case Basic:
		name, value = "Authorization", basic(c.Auth.Username, c.Auth.Password)
	case APIKey:
		name, value = cmp.Or(c.Auth.Header, "X-Api-Key"), c.Auth.Value
	case ClientCredentials:
		var err error
		if token, err = c.accessToken(ctx, agent); err != nil {
			return nil, "", err
		}
		name, value = "Authorization", "Bearer "+token
	}
	return func(h http.Header) {
		for custom, text := range c.Headers {
			h.Set(custom, text)
		}
		if name != "" {
			h.Set(name, value)
		}
	}, token, nil
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func (c *credential) accessToken(ctx context.Context, agent string) (string, error) {
	if err := c.token.lock(ctx); err != nil {
		return "", err
	}
	defer c.token.unlock()
	if c.token.current != "" {
		return c.token.current, nil
	}
	token, err := c.fetchToken(ctx, agent)
	if err != nil {
		return "", err
	}
	c.token.current = token
	return token, nil
}

// fetchToken asks the token endpoint. What it answers in place of a token is part
// of the exception, as a person who sets up a credential needs to see it.
func (c *credential) fetchToken(ctx context.Context, agent string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.Auth.Scope != "" {
		form.Set("scope", c.Auth.Scope)
	}
	if c.Auth.SecretIn == "body" {
		form.Set("client_id", c.Auth.ClientID)
		form.Set("client_secret", c.Auth.ClientSecret)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Auth.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", agent)
	if c.Auth.SecretIn != "body" {
		request.SetBasicAuth(url.QueryEscape(c.Auth.ClientID), url.QueryEscape(c.Auth.ClientSecret))
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenAnswer))
	if err != nil {
		return "", err
	}
	var given struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	err = json.Unmarshal(body, &given)
	if answer.StatusCode != http.StatusOK || err != nil || given.AccessToken == "" {
		return "", &Error{
			Message: fmt.Sprintf("Unable to fetch the OAuth token. Error: %s. Error description: %s",
				cmp.Or(given.Error, answer.Status), cmp.Or(given.Description, "none")),
			cause: err,
		}
	}
	return given.AccessToken, nil
}
