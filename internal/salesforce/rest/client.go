package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
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

// Client speaks to one org. It is safe for concurrent use.
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

// request is one call: a path below the instance URL, and a body for writes.
type request struct {
	op     string // verb phrase for errors, without values
	method string
	path   string
	body   []byte
	header http.Header
}

// answer is what came back, successful or not.
type answer struct {
	status int
	header http.Header
	body   []byte
	token  auth.Token // used for the call
}

func (c *Client) base() string { return "/services/data/v" + c.cfg.Version }

// do makes a call and returns its successful answer. A GET is tried again after
// failures that may pass; a refused token or a moved instance costs one more try.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		a, err := c.once(ctx, r)
		if err == nil {
			return a, nil
		}
		if staleSession(err) && !renewed {
			renewed = true
			c.tokens.Invalidate(a.token)
			attempt-- // a renewed session is no failed attempt
			continue
		}
		if !c.mayRepeat(r, err) || attempt >= c.cfg.Attempts || ctx.Err() != nil {
			return a, err
		}
		if c.wait(ctx, attempt, err) != nil {
			return a, err
		}
	}
}

// errMoved is a redirect: the org lives on another instance now.
var errMoved = errors.New("the instance redirects: the org has moved")

func staleSession(err error) bool {
	if errors.Is(err, errMoved) {
		return true
	}
	refusal, ok := salesforce.AsAPIError(err)
	return ok && refusal.Status != 0 && refusal.SessionExpired()
}

// mayRepeat allows GETs after transient failures. What the token source failed
// with has had its own attempts.
func (c *Client) mayRepeat(r request, err error) bool {
	if r.method != http.MethodGet || event.HealingOf(err) == event.Permanent {
		return false
	}
	if _, ok := errors.AsType[*loginError](err); ok {
		return false
	}
	// The day's allocation does not come back within any backoff.
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

// once makes one request with the current token.
func (c *Client) once(ctx context.Context, r request) (answer, error) {
	tok, err := c.tokens.Token(ctx)
	if err != nil {
		return answer{}, &loginError{err}
	}
	a := answer{token: tok}
	callCtx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := c.newRequest(callCtx, r, tok)
	if err != nil {
		return a, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return a, c.broken(ctx, r, err)
	}
	defer resp.Body.Close() // read only
	c.report(resp.Header)
	a.status, a.header = resp.StatusCode, resp.Header
	if a.body, err = c.read(resp.Body); err != nil {
		return a, c.broken(ctx, r, err)
	}
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotModified {
		return a, nil
	}
	return a, refused(r, a)
}

func (c *Client) newRequest(ctx context.Context, r request, tok auth.Token) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, tok.InstanceURL+r.path, body)
	if err != nil {
		return nil, &event.Error{Op: r.op, Happened: event.HappenedNo, Healing: event.Permanent, Err: errors.New("malformed URL")}
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+tok.AccessToken.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Sforce-Call-Options", "client="+c.cfg.ClientName)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	return req, nil
}

// errTooLarge is an answer beyond MaxBody.
var errTooLarge = errors.New("the answer is larger than the limit")

func (c *Client) read(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, c.cfg.MaxBody+1))
	if err == nil && int64(len(body)) > c.cfg.MaxBody {
		return nil, errTooLarge
	}
	return body, err
}

// broken describes a request that got no whole answer. A write may have happened.
func (c *Client) broken(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	e := &event.Error{Op: r.op, Happened: event.HappenedUnknown, Healing: event.Transient, Err: stripURL(err)}
	if r.method == http.MethodGet {
		e.Happened = event.HappenedNo
	}
	if errors.Is(err, errTooLarge) {
		e.Healing = event.Permanent
	}
	return e
}

// stripURL takes the URL off an http error: a query or an external Id in it is data.
func stripURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func (c *Client) report(h http.Header) {
	if c.cfg.LimitFunc == nil {
		return
	}
	if usage, ok := ParseUsage(h.Get("Sforce-Limit-Info")); ok {
		c.cfg.LimitFunc(usage)
	}
}

// get makes a GET and reads its JSON.
func (c *Client) get(ctx context.Context, op, path string, into any) error {
	a, err := c.do(ctx, request{op: op, method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return decode(op, a.body, into)
}

func decode(op string, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &event.Error{
			Op: op, Happened: event.HappenedYes, Healing: event.Transient,
			Hint: "the answer is no JSON: is a proxy between this machine and Salesforce?",
			Err:  fmt.Errorf("read answer: %w", err),
		}
	}
	return nil
}
