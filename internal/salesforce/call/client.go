package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// TokenSource gives the access token of the org; *auth.Source is one.
type TokenSource interface {
	Token(ctx context.Context) (auth.Token, error)
	Invalidate(stale auth.Token)
}

// Client makes calls to one org. It is safe for concurrent use.
type Client struct {
	cfg    Config
	tokens TokenSource
	http   *http.Client
}

// New returns a Client. The http client's transport carries TLS settings and
// proxies; nil means http.DefaultTransport. The client is copied.
func New(cfg Config, tokens TokenSource, client *http.Client) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	own := http.Client{}
	if client != nil {
		own.Transport = client.Transport
	}
	// A redirect means that the org has moved to another instance. Following it
	// would drop the token or show it to a host that no login named.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{cfg: cfg, tokens: tokens, http: &own}, nil
}

// Base is the path that the resources of the API version lie below.
func (c *Client) Base() string { return "/services/data/v" + c.cfg.Version }

// Token returns the session's token, logging in if need be.
func (c *Client) Token(ctx context.Context) (auth.Token, error) { return c.tokens.Token(ctx) }

// Request is one call: a path below the instance URL, and a body for writes.
type Request struct {
	Op     string // verb phrase for errors, without values
	Method string
	Path   string
	// Accept is the form of the answer; JSON if empty.
	Accept string
	// Body is sent as ContentType, JSON if that is empty; nil sends none.
	Body        []byte
	ContentType string
	Header      http.Header
}

// Answer is a successful answer, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes a call and returns its successful answer; 304 is one. A GET is tried
// again after failures that may pass; a refused token or a moved instance costs
// one more try, whatever the method, as nothing happened. Its errors are
// [event.Error] with an [salesforce.APIError] inside where Salesforce refused.
func (c *Client) Do(ctx context.Context, r Request) (a Answer, err error) {
	err = c.repeat(ctx, r, func(ctx context.Context) (token auth.Token, err error) {
		a, token, err = c.whole(ctx, r)
		return token, err
	})
	return a, err
}

// Open makes a call as [Client.Do] does, and returns its answer with the body still
// to be read and closed. A body that falls silent for the timeout ends with an error.
func (c *Client) Open(ctx context.Context, r Request) (resp *http.Response, err error) {
	err = c.repeat(ctx, r, func(ctx context.Context) (token auth.Token, err error) {
		resp, token, err = c.once(ctx, r)
		return token, err
	})
	return resp, err
}

// Get makes a GET and reads its JSON.
func (c *Client) Get(ctx context.Context, op, path string, into any) error {
	a, err := c.Do(ctx, Request{Op: op, Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	return Decode(op, a.Body, into)
}

// Decode reads an answer's JSON.
func Decode(op string, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &event.Error{
			Op: op, Happened: event.HappenedYes, Healing: event.Transient,
			Hint: "the answer is no JSON: is a proxy between this machine and Salesforce?",
			Err:  fmt.Errorf("read answer: %w", err),
		}
	}
	return nil
}

// repeat makes attempts until one succeeds or another would be of no use.
func (c *Client) repeat(ctx context.Context, r Request, try func(ctx context.Context) (auth.Token, error)) error {
	renewed := false
	for attempt := 1; ; attempt++ {
		token, err := try(ctx)
		if err == nil {
			return nil
		}
		if staleSession(err) && !renewed {
			renewed = true
			c.tokens.Invalidate(token)
			attempt-- // a renewed session is no failed attempt
			continue
		}
		if !mayRepeat(r, err) || attempt >= c.cfg.Attempts || ctx.Err() != nil || c.wait(ctx, attempt, err) != nil {
			return err
		}
	}
}

func staleSession(err error) bool {
	if errors.Is(err, errMoved) {
		return true
	}
	refusal, ok := salesforce.AsAPIError(err)
	return ok && refusal.Status != 0 && refusal.SessionExpired()
}

// mayRepeat allows GETs after transient failures. What the token source failed
// with has had its own attempts, and the day's allocation does not come back
// within any backoff.
func mayRepeat(r Request, err error) bool {
	if r.Method != http.MethodGet || event.HealingOf(err) == event.Permanent {
		return false
	}
	if _, ok := errors.AsType[*loginError](err); ok {
		return false
	}
	refusal, ok := salesforce.AsAPIError(err)
	return !ok || !refusal.DailyLimit() && !refusal.SessionExpired()
}

// loginError marks a failure to get a token, so that it is not retried here.
type loginError struct{ error }

func (e *loginError) Unwrap() error { return e.error }

func (c *Client) wait(ctx context.Context, attempt int, err error) error {
	d := rand.N(min(c.cfg.RetryWait<<min(attempt-1, 20), c.cfg.MaxWait)) + 1 // jitter needs no secrecy
	if e, ok := errors.AsType[*event.Error](err); ok && e.After > 0 {
		d = min(e.After, c.cfg.MaxWait)
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

// whole makes one request with the current token and reads its answer.
func (c *Client) whole(ctx context.Context, r Request) (a Answer, token auth.Token, err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errSilent)
	defer cancel()
	resp, token, err := c.once(bounded, r)
	if err != nil {
		return a, token, err
	}
	defer resp.Body.Close() // read only
	a.Status, a.Header = resp.StatusCode, resp.Header
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxBody+1))
	if err == nil && int64(len(a.Body)) > c.cfg.MaxBody {
		err = errTooLarge
	}
	if err != nil {
		return a, token, broken(bounded, r, err)
	}
	return a, token, nil
}
