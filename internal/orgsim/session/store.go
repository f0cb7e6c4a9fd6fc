package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const (
	// defaultLifetime is the platform's default session timeout.
	defaultLifetime = 2 * time.Hour
	userPrefix      = "005"
	// sweepAbove is the number of sessions from which a login first removes the
	// expired ones.
	sweepAbove = 1000
)

// Config is what a store needs.
type Config struct {
	OrgID   salesforce.ID
	OrgName string
	// InstanceURL is where the org is reached, without a trailing slash.
	InstanceURL string
	Clock       *clock.Clock
	Apps        []App
	Users       []User
	// Lifetime is the session timeout, counted from the last use; 2 hours unless set.
	Lifetime time.Duration
	// Audiences are further values of an assertion's "aud" that the org answers to.
	Audiences []string
	// LatestVersion is the newest API version offered ("67.0").
	LatestVersion string
	Logger        *slog.Logger
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Lifetime == 0 {
		c.Lifetime = defaultLifetime
	}
	if c.LatestVersion == "" {
		c.LatestVersion = "67.0"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.InstanceURL = strings.TrimRight(c.InstanceURL, "/")
	return c
}

// Store is the org's users, connected apps and sessions. Tokens are kept and
// looked up by their hashes, so that no look-up tells how much of a guess was
// right. Safe for concurrent use.
type Store struct {
	cfg   Config
	apps  map[string]*app  // by client id
	users map[string]*User // by lower-case username
	order []*User

	mu       sync.Mutex
	sessions map[digest]*live
	refresh  map[digest]*refreshGrant
	codes    map[digest]*authCode
	passes   map[digest]*pass
}

type digest [sha256.Size]byte

// live is a session with what hangs on it.
type live struct {
	Session
	scope   string
	parent  digest        // the refresh token it came from, zero if none
	revoked chan struct{} // closed by revocation, not by expiry
}

type refreshGrant struct {
	app   *app
	user  *User
	scope string
}

var _ Authenticator = (*Store)(nil)

// New returns a store. Users without an id are given one.
func New(cfg Config) (*Store, error) {
	s := &Store{
		cfg: cfg.WithDefaults(), apps: make(map[string]*app), users: make(map[string]*User),
		sessions: make(map[digest]*live), refresh: make(map[digest]*refreshGrant), codes: make(map[digest]*authCode),
		passes: make(map[digest]*pass),
	}
	for _, a := range cfg.Apps {
		ready, err := newApp(a)
		if err != nil {
			return nil, err
		}
		s.apps[a.ClientID] = ready
	}
	for i := range cfg.Users {
		if err := s.addUser(cfg.Users[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Store) addUser(u User) error {
	if u.Username == "" {
		return errors.New("user without a username")
	}
	name := strings.ToLower(u.Username)
	if _, taken := s.users[name]; taken {
		return fmt.Errorf("user %s is declared twice", u.Username)
	}
	if u.ID == "" {
		id, err := salesforce.ParseID(fmt.Sprintf("%s5e%010d", userPrefix, len(s.order)+1))
		if err != nil {
			return fmt.Errorf("make user id: %w", err)
		}
		u.ID = id
	}
	s.users[name] = &u
	s.order = append(s.order, &u)
	return nil
}

// Users returns the org's users in order, ids filled in.
func (s *Store) Users() []User {
	users := make([]User, 0, len(s.order))
	for _, u := range s.order {
		users = append(users, *u)
	}
	return users
}

func (s *Store) user(username string) (*User, bool) {
	u, ok := s.users[strings.ToLower(username)]
	return u, ok
}

func (s *Store) userByID(id salesforce.ID) (*User, bool) {
	for _, u := range s.order {
		if u.ID == id {
			return u, true
		}
	}
	return nil, false
}

// Login opens a session for a user without asking for anything, for the org's
// own tools and for tests.
func (s *Store) Login(username string) (Session, error) {
	u, ok := s.user(username)
	if !ok {
		return Session{}, fmt.Errorf("log in %s: no such user", username)
	}
	return s.open(u, nil, "api", digest{}), nil
}

// open starts a session.
func (s *Store) open(u *User, a *app, scope string, parent digest) Session {
	now := s.cfg.Clock.Now()
	session := Session{
		Token: s.cfg.OrgID.Short() + "!" + randomText(tokenTail), OrgID: s.cfg.OrgID, UserID: u.ID,
		Issued: now, Expires: now.Add(s.cfg.Lifetime),
	}
	if a != nil {
		session.App = a.ClientID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) > sweepAbove {
		s.sweepLocked(now)
	}
	s.sessions[hash(session.Token)] = &live{Session: session, scope: scope, parent: parent, revoked: make(chan struct{})}
	return session
}

func (s *Store) sweepLocked(now time.Time) {
	for key, l := range s.sessions {
		if !now.Before(l.Expires) {
			delete(s.sessions, key)
		}
	}
}

// Authenticate returns the session of a valid token and prolongs it.
func (s *Store) Authenticate(token string) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.liveLocked(token)
	if !ok {
		return Session{}, false
	}
	l.Expires = s.cfg.Clock.Now().Add(s.cfg.Lifetime)
	return l.Session, true
}

// Peek returns the session of a valid token and does not prolong it: for those who
// only look.
func (s *Store) Peek(token string) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.liveLocked(token)
	if !ok {
		return Session{}, false
	}
	return l.Session, true
}

// Count returns the number of sessions that are valid now.
func (s *Store) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := 0, s.cfg.Clock.Now()
	for _, l := range s.sessions {
		if now.Before(l.Expires) {
			n++
		}
	}
	return n
}

func (s *Store) liveLocked(token string) (*live, bool) {
	l, ok := s.sessions[hash(token)]
	if !ok || !s.cfg.Clock.Now().Before(l.Expires) {
		return nil, false
	}
	return l, true
}

// Revoked returns a channel that is closed when the token is revoked; it is
// closed already for a token that is not valid now. Expiry does not close it: a
// stream that is open outlives the session's timeout.
func (s *Store) Revoked(token string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.liveLocked(token); ok {
		return l.revoked
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// Revoke ends a session, or a refresh token and every session that came from it,
// and reports whether there was one.
func (s *Store) Revoke(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := hash(token)
	if _, ok := s.refresh[key]; ok {
		delete(s.refresh, key)
		for child, l := range s.sessions {
			if l.parent == key {
				s.endLocked(child, l)
			}
		}
		return true
	}
	l, ok := s.sessions[key]
	if ok {
		s.endLocked(key, l)
	}
	return ok
}

// RevokeAll ends every session and returns how many there were. Refresh tokens
// stay good.
func (s *Store) RevokeAll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.sessions)
	for key, l := range s.sessions {
		s.endLocked(key, l)
	}
	return n
}

func (s *Store) endLocked(key digest, l *live) {
	close(l.revoked)
	delete(s.sessions, key)
}

const (
	// tokenTail is the length of a token after "<org id>!".
	tokenTail = 96
	// tokenAlphabet is what opaque tokens are made of.
	tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
)

func hash(secret string) digest { return sha256.Sum256([]byte(secret)) }

// randomText returns n characters of the token alphabet, which has 64, so that
// six bits of a random byte pick one without bias.
func randomText(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // crypto/rand never fails
	for i, b := range raw {
		raw[i] = tokenAlphabet[b&63]
	}
	return string(raw)
}

func encodeBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
