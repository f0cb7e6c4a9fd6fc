package auth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	// youngToken is the age below which a dead token points to a login that does
	// not help (a token refused at once) rather than to an ended session.
	youngToken = 10 * time.Second
	// transientHold keeps callers that come right after a failed login from
	// starting the next one; their own backoff is longer.
	transientHold = time.Second
	// firstChurnWait is the wait before the third login in a row of tokens that died young.
	firstChurnWait = time.Second
)

// Source keeps one org's access token. It is safe for concurrent use.
type Source struct {
	cfg    Config
	grant  *grant // used by the one login under way
	client *http.Client

	mu      sync.Mutex // guards the fields below
	token   Token
	since   time.Time     // when token was received, by our clock
	churn   int           // tokens in a row that died young
	flight  chan struct{} // closed when the login under way ends; nil if there is none
	failure error         // last login's failure, repeated until failEnd
	failEnd time.Time
}

// New returns a Source that logs in on first use. The client's transport carries
// TLS settings and proxies; nil means http.DefaultTransport. The client is copied.
func New(cfg Config, client *http.Client) (*Source, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g, err := newGrant(cfg)
	if err != nil {
		return nil, err
	}
	own := http.Client{}
	if client != nil {
		own.Transport = client.Transport
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Source{cfg: cfg, grant: g, client: &own}, nil
}

// Token returns the current token, logging in if there is none. Callers that
// come while a login is under way wait for it and share its result, failure
// included. It blocks for at most all attempts of one login, and until ctx ends.
// A refusal that only a person can heal is an *event.Error with Permanent.
func (s *Source) Token(ctx context.Context) (Token, error) {
	for {
		tok, wait, err := s.take()
		if wait == nil {
			if err != nil || !tok.AccessToken.IsZero() {
				return tok, err
			}
			return s.lead(ctx)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return Token{}, context.Cause(ctx)
		}
	}
}

// take returns the token, the failure still held, or the login to wait for. If
// it returns none of them the caller must log in: the flight is taken.
func (s *Source) take() (Token, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.token.AccessToken.IsZero():
		return s.token, nil, nil
	case s.flight != nil:
		return Token{}, s.flight, nil
	case s.failure != nil && time.Now().Before(s.failEnd):
		return Token{}, nil, s.failure
	}
	s.flight = make(chan struct{})
	return Token{}, nil, nil
}

// lead logs in on behalf of all who wait. If its own ctx ends, one of those who
// wait takes over.
func (s *Source) lead(ctx context.Context) (Token, error) {
	tok, err := s.login(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.flight)
	s.flight = nil
	switch {
	case err == nil:
		s.token, s.since, s.failure = tok, time.Now(), nil
	case ctx.Err() != nil:
		// The caller gave up; that says nothing about the login.
	default:
		hold := transientHold
		if isPermanent(err) {
			hold = s.cfg.RefusalHold
		}
		s.failure, s.failEnd = err, time.Now().Add(hold)
	}
	return tok, err
}

// login tries until a token comes, the refusal is final or the attempts are spent.
func (s *Source) login(ctx context.Context) (Token, error) {
	if err := sleep(ctx, s.churnWait()); err != nil {
		return Token{}, err
	}
	for attempt := 1; ; attempt++ {
		tok, err := s.loginOnce(ctx)
		if err == nil || isPermanent(err) || attempt >= s.cfg.Attempts {
			return tok, err
		}
		if sleepErr := sleep(ctx, s.backoff(attempt)); sleepErr != nil {
			return Token{}, fmt.Errorf("%w (last attempt: %w)", sleepErr, err)
		}
	}
}

func (s *Source) backoff(attempt int) time.Duration {
	wait := min(s.cfg.RetryWait<<min(attempt-1, 20), s.cfg.MaxWait)
	return rand.N(wait) + 1 // jitter needs no secrecy
}

// churnWait slows logins down when token after token dies young: the org hands
// out tokens that its APIs refuse, and logging in faster does not help.
func (s *Source) churnWait() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.churn < 2 {
		return 0
	}
	return min(firstChurnWait<<min(s.churn-2, 10), time.Minute)
}

// Invalidate says that stale, as returned by Token, was refused. The next Token
// logs in again, unless that has happened already.
func (s *Source) Invalidate(stale Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.AccessToken.IsZero() || !s.token.AccessToken.Equal(stale.AccessToken.Reveal()) {
		return
	}
	if time.Since(s.since) < youngToken {
		s.churn++
	} else {
		s.churn = 0
	}
	s.token = Token{}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
