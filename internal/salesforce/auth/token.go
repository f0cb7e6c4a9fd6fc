package auth

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Token is one access token and the org it opens.
type Token struct {
	AccessToken secret.String
	// InstanceURL is where the org's APIs are, without a trailing slash. It may
	// change from one login to the next when the org moves.
	InstanceURL string
	OrgID       salesforce.ID
	UserID      salesforce.ID
	// Issued is when Salesforce made the token, by its own clock.
	Issued time.Time
}

// tokenAnswer is the token endpoint's JSON, of success and of refusal.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	InstanceURL  string `json:"instance_url"`
	ID           string `json:"id"`
	IssuedAt     string `json:"issued_at"`

	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

func parseToken(body []byte, allowHTTP bool) (tok Token, refresh string, err error) {
	var a tokenAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return Token{}, "", fmt.Errorf("read token answer: %w", err)
	}
	if a.AccessToken == "" {
		return Token{}, "", fmt.Errorf("read token answer: no access_token in it")
	}
	instance, err := checkURL(a.InstanceURL, allowHTTP)
	if err != nil {
		return Token{}, "", fmt.Errorf("read token answer: instance_url: %w", err)
	}
	tok = Token{AccessToken: secret.New(a.AccessToken), InstanceURL: instance}
	if tok.OrgID, tok.UserID, err = parseIdentity(a.ID); err != nil {
		return Token{}, "", fmt.Errorf("read token answer: %w", err)
	}
	if ms, err := strconv.ParseInt(a.IssuedAt, 10, 64); err == nil {
		tok.Issued = time.UnixMilli(ms).UTC()
	}
	return tok, a.RefreshToken, nil
}

// parseIdentity takes org and user from an identity URL, whose last two path
// parts they are: https://login.salesforce.com/id/00D.../005...
func parseIdentity(identity string) (org, user salesforce.ID, err error) {
	u, err := url.Parse(identity)
	if err != nil {
		return "", "", fmt.Errorf("identity url: %w", err)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return "", "", fmt.Errorf("identity url has no org and user")
	}
	if org, err = salesforce.ParseID(parts[len(parts)-2]); err != nil {
		return "", "", fmt.Errorf("org of the identity url: %w", err)
	}
	if user, err = salesforce.ParseID(parts[len(parts)-1]); err != nil {
		return "", "", fmt.Errorf("user of the identity url: %w", err)
	}
	return org, user, nil
}
