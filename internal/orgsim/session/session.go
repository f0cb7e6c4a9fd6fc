// Package session is who may talk to a simulated org: users, connected apps,
// access tokens, and the OAuth and SOAP endpoints that hand them out.
//
// It does not know what a session is used for, and it keeps nothing over a
// restart: clients log in again, as they must be able to. The invariant: tokens
// are kept and looked up by hash, passwords and client secrets are compared in
// constant time, and none of them is logged.
package session

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Session is one valid access token.
type Session struct {
	Token   string
	OrgID   salesforce.ID
	UserID  salesforce.ID
	App     string // consumer key of the connected app, empty for password logins without one
	Issued  time.Time
	Expires time.Time
}

// Authenticator checks access tokens. Safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the session of a valid token and prolongs it; ok is
	// false for a missing, expired or revoked one.
	Authenticate(token string) (s Session, ok bool)
}
