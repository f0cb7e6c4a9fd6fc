package session

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// passLifetime is how long the link of a single access call can be opened.
const passLifetime = time.Minute

// pass is a one-time password that a browser trades for a session.
type pass struct {
	user    *User
	scope   string
	expires time.Time
}

// serveSingleAccess answers a link that logs a browser in as the caller, once. Like
// userinfo it refuses with 403 and plain text.
func (s *Store) serveSingleAccess(w http.ResponseWriter, r *http.Request) {
	u, ok := s.caller(w, r)
	if !ok {
		return
	}
	q := url.Values{"otp": {s.newPass(u)}}
	if target := r.FormValue("redirect_uri"); target != "" {
		if !s.isOwnPage(target) {
			writeRefusal(w, refuse("redirect_uri_mismatch", "redirect_uri must be a page of this org"))
			return
		}
		q.Set("startURL", target)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]string{"frontdoor_uri": s.cfg.InstanceURL + "/secur/frontdoor.jsp?" + q.Encode()})
}

func (s *Store) newPass(u *User) string {
	otp, now := randomText(64), s.cfg.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range s.passes {
		if !now.Before(p.expires) {
			delete(s.passes, key)
		}
	}
	s.passes[hash(otp)] = &pass{user: u, scope: "web", expires: now.Add(passLifetime)}
	return otp
}

// serveFrontdoor opens the link: the browser gets a session of its own in the
// cookie that pages read, and goes where the link says.
func (s *Store) serveFrontdoor(w http.ResponseWriter, r *http.Request) {
	key := hash(r.FormValue("otp"))
	s.mu.Lock()
	p, ok := s.passes[key]
	delete(s.passes, key)
	s.mu.Unlock()
	if !ok || !s.cfg.Clock.Now().Before(p.expires) {
		http.Error(w, "This link has expired or was used before.", http.StatusForbidden)
		return
	}
	session := s.open(p.user, nil, p.scope, digest{})
	http.SetCookie(w, &http.Cookie{
		Name: "sid", Value: session.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.cfg.InstanceURL, "https:"),
	})
	target := r.FormValue("startURL")
	if target == "" || !s.isOwnPage(target) {
		target = "/"
	}
	http.Redirect(w, r, target, http.StatusFound)
}

// isOwnPage says that a browser sent there stays with this org.
func (s *Store) isOwnPage(target string) bool {
	own, err := url.Parse(s.cfg.InstanceURL)
	if err != nil {
		return false
	}
	u, err := own.Parse(strings.ReplaceAll(target, `\`, "/")) // as browsers read it
	return err == nil && u.Scheme == own.Scheme && u.Host == own.Host
}
