package cometd

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// The cookies that a handshake sets. The first two tell that the caller is who
// shook hands; the third leads a load balancer to the server that knows it.
const (
	cookieBrowser = "BAYEUX_BROWSER"
	cookieTracker = "t"
	cookieStream  = "sfdc-stream"
	cookieVisitor = "BrowserId"

	cookiePath = "/cometd/"
)

// credentials are the cookies of a client.
type credentials struct{ browser, tracker, stream string }

// newCredentials makes cookies with the signs that real ones have: a client that
// decodes or escapes them does not send back what it was given.
func newCredentials() credentials {
	return credentials{
		browser: randomBase64(9) + "/+" + randomBase64(6),
		tracker: randomBase64(12) + ":!",
		stream:  "!" + randomBase64(28) + "==",
	}
}

func randomBase64(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // crypto/rand never fails
	return base64.StdEncoding.EncodeToString(raw)
}

// set adds the cookies to an answer.
func (c credentials) set(w http.ResponseWriter, r *http.Request, now time.Time) {
	secure := r.TLS != nil
	for _, cookie := range []*http.Cookie{
		{Name: cookieBrowser, Value: c.browser, Path: cookiePath, Secure: secure},
		{Name: cookieTracker, Value: c.tracker, Path: cookiePath, HttpOnly: true, Secure: secure},
		{Name: cookieStream, Value: c.stream, Path: "/", Expires: now.Add(3 * time.Hour).UTC(), Secure: secure},
		{Name: cookieVisitor, Value: randomBase64(15), Path: "/", Expires: now.AddDate(1, 0, 0).UTC(), Secure: secure},
	} {
		http.SetCookie(w, cookie)
	}
}

// check returns Bayeux's error for a request without the cookies, "" if they are there.
func (c credentials) check(r *http.Request, clientID string) string {
	for _, must := range [...]struct{ name, value string }{{cookieBrowser, c.browser}, {cookieTracker, c.tracker}} {
		cookie, err := r.Cookie(must.name)
		if err != nil {
			return fmt.Sprintf(errNoCookie, clientID, must.name)
		}
		if cookie.Value != must.value {
			return errUnknownClient
		}
	}
	if cookie, err := r.Cookie(cookieStream); err != nil || cookie.Value != c.stream {
		return errUnknownClient // led to a server that has never heard of it
	}
	return ""
}
