package session

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// ProfileID is the one profile that every user has.
const ProfileID salesforce.ID = "00eSp0000000001IAA"

// App is a connected app.
type App struct {
	Name         string
	ClientID     string
	ClientSecret string
	// RunAs is the username that client credentials act as; empty means that the
	// flow is not enabled for the app.
	RunAs string
	// Certificate is the PEM certificate (or public key) that the app registered
	// for JWT bearer assertions.
	Certificate string
	// TrustAnyAssertion accepts any RS256 assertion for an app without a
	// certificate. It must be asked for: without either, assertions are refused.
	TrustAnyAssertion bool
	// Scopes is the space-separated list that tokens get; "api refresh_token" unless set.
	Scopes string
	// RedirectURIs are the callbacks of the web server flow; none means any.
	RedirectURIs []string
}

// User is somebody who can log in.
type User struct {
	ID       salesforce.ID // given when empty
	Username string
	Password string
	// SecurityToken must follow the password when set.
	SecurityToken       string
	Email               string
	FirstName, LastName string
	Inactive            bool
}

// FullName returns first and last name.
func (u *User) FullName() string {
	if u.FirstName == "" {
		return u.LastName
	}
	return u.FirstName + " " + u.LastName
}

func (u *User) passwordIs(given string) bool { return sameSecret(u.Password+u.SecurityToken, given) }

// sameSecret compares in constant time whatever the lengths are.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// app is an App made ready.
type app struct {
	App
	key *rsa.PublicKey
}

func newApp(a App) (*app, error) {
	if a.ClientID == "" {
		return nil, fmt.Errorf("connected app %q: client id is missing", a.Name)
	}
	if a.Scopes == "" {
		a.Scopes = "api refresh_token"
	}
	ready := &app{App: a}
	if a.Certificate == "" {
		return ready, nil
	}
	key, err := parseKey(a.Certificate)
	if err != nil {
		return nil, fmt.Errorf("connected app %q: %w", a.Name, err)
	}
	ready.key = key
	return ready, nil
}

func parseKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("certificate is not PEM")
	}
	var public crypto.PublicKey
	if block.Type == "CERTIFICATE" {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		public = certificate.PublicKey
	} else {
		var err error
		if public, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("read public key: %w", err)
		}
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("certificate holds a %T, want RSA", public)
	}
	return key, nil
}
