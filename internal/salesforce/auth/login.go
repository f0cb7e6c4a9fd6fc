package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const (
	tokenPath = "/services/oauth2/token"
	// maxAnswer bounds the token endpoint's answer; real ones have under 2 KB.
	maxAnswer = 1 << 20
	opLogin   = "log in to Salesforce"
)

// loginOnce makes one request to the token endpoint.
func (s *Source) loginOnce(ctx context.Context) (Token, error) {
	form, err := s.grant.form()
	if err != nil {
		return Token{}, &event.Error{Op: opLogin, Happened: event.HappenedNo, Healing: event.Permanent, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.LoginURL+tokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", opLogin, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return Token{}, unreachable(err)
	}
	defer resp.Body.Close() // read only
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Token{}, unreachable(err)
	}
	return s.readAnswer(resp, body)
}

func unreachable(err error) error {
	return &event.Error{
		Op: opLogin, Happened: event.HappenedNo, Healing: event.Transient,
		Hint: "check that the login URL can be reached from this machine", Err: err,
	}
}

func (s *Source) readAnswer(resp *http.Response, body []byte) (Token, error) {
	if resp.StatusCode != http.StatusOK {
		return Token{}, refused(resp, body)
	}
	tok, refresh, err := parseToken(body, s.cfg.AllowHTTP)
	if err != nil {
		return Token{}, &event.Error{
			Op: opLogin, Happened: event.HappenedNo, Healing: event.Permanent,
			Hint: "the login URL does not answer like a Salesforce token endpoint", Err: err,
		}
	}
	s.grant.rotated(refresh)
	return tok, nil
}

// refused turns any answer but 200 into an error. A redirect is never followed,
// because it would carry the secret to a host that nobody configured.
func refused(resp *http.Response, body []byte) error {
	refusal := &salesforce.APIError{Status: resp.StatusCode}
	var a tokenAnswer
	if json.Unmarshal(body, &a) == nil {
		refusal.Code, refusal.Message = a.Error, a.ErrorDescription
	}
	fault := Fault(opLogin, event.HappenedNo, refusal)
	fault.Hint = refusal.LoginHint()
	// A 401 here is a verdict on the credentials, not on a session.
	if resp.StatusCode == http.StatusUnauthorized {
		fault.Healing = event.Permanent
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		fault.Hint = "the login URL redirects: use the host it leads to, normally the My Domain"
	}
	fault.After = retryAfter(resp.Header.Get("Retry-After"))
	return fault
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

func isPermanent(err error) bool {
	e, ok := errors.AsType[*event.Error](err)
	return ok && e.Healing == event.Permanent
}
