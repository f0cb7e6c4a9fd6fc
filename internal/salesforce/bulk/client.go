package bulk

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
	// Following a redirect would show the token to a host that no login named.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{cfg: cfg, tokens: tokens, http: &own}, nil
}

// request is one call: a path below the instance URL, and a body for writes.
type request struct {
	op     string // verb phrase for errors, without values
	method string
	path   string
	accept string
	body   []byte
}

func (c *Client) base() string { return "/services/data/v" + c.cfg.Version + "/jobs/query" }

// maxAnswer bounds what is read of an answer that is no page of results.
const maxAnswer = 1 << 20

// call makes a request whose answer is small, and decodes its JSON into into
// unless that is nil.
func (c *Client) call(ctx context.Context, r request, into any) error {
	resp, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // read only
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return broken(ctx, r, err)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &event.Error{
			Op: r.op, Happened: event.HappenedYes, Healing: event.Transient,
			Hint: "the answer is no JSON: is a proxy between this machine and Salesforce?", Err: fmt.Errorf("read answer: %w", err),
		}
	}
	return nil
}

// open makes a request and returns its successful answer with the body still to
// be read. A GET is tried again after failures that may pass; a refused token or a
// moved instance costs one more try, whatever the method, as nothing happened.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		resp, token, err := c.once(ctx, r)
		if err == nil {
			return resp, nil
		}
		if staleSession(err) && !renewed {
			renewed = true
			c.tokens.Invalidate(token)
			attempt-- // a renewed session is no failed attempt
			continue
		}
		if !mayRepeat(r, err) || attempt >= c.cfg.Attempts || ctx.Err() != nil || c.wait(ctx, attempt, err) != nil {
			return nil, err
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
// with has had its own attempts, and the day's allocation does not come back
// within any backoff.
func mayRepeat(r request, err error) bool {
	if r.method != http.MethodGet || event.HealingOf(err) == event.Permanent {
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
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// once makes one request with the current token. The body of a successful answer
// lives until it is closed; silence ends it.
func (c *Client) once(ctx context.Context, r request) (*http.Response, auth.Token, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, token, &loginError{err}
	}
	life, cancel := context.WithCancelCause(ctx)
	dog := time.AfterFunc(c.cfg.Timeout, func() { cancel(errSilent) })
	end := func() { dog.Stop(); cancel(nil) }
	req, err := c.newRequest(life, r, token)
	if err != nil {
		end()
		return nil, token, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		err = broken(life, r, err)
		end()
		return nil, token, err
	}
	dog.Stop() // until somebody reads
	resp.Body = &watched{ReadCloser: resp.Body, life: life, dog: dog, patience: c.cfg.Timeout, end: end}
	if info := resp.Header.Get("Sforce-Limit-Info"); info != "" && c.cfg.LimitFunc != nil {
		c.cfg.LimitFunc(info)
	}
	if resp.StatusCode/100 == 2 {
		return resp, token, nil
	}
	defer resp.Body.Close()                                     // read only
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a refusal without a readable body is one by its status
	return nil, token, refused(r, resp, body)
}

func (c *Client) newRequest(ctx context.Context, r request, token auth.Token) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, token.InstanceURL+r.path, body)
	if err != nil {
		return nil, &event.Error{Op: r.op, Happened: event.HappenedNo, Healing: event.Permanent, Err: errors.New("malformed URL")}
	}
	accept := r.accept
	if accept == "" {
		accept = "application/json"
	}
	// The transport asks for gzip by itself, and unpacks it as it is read.
	req.Header.Set("Accept", accept)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	req.Header.Set("Sforce-Call-Options", "client="+c.cfg.ClientName)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	return req, nil
}

// errSilent is the cause with which a request that says nothing is ended.
var errSilent = errors.New("nothing received for too long")

// watched is an answer's body that ends when the other side falls silent. While
// the reader is the one who is slow the dog sleeps.
type watched struct {
	io.ReadCloser
	life     context.Context // the request's own, for the cause of its end
	dog      *time.Timer
	patience time.Duration
	end      func()
}

func (w *watched) Read(p []byte) (int, error) {
	w.dog.Reset(w.patience)
	n, err := w.ReadCloser.Read(p)
	w.dog.Stop()
	if err != nil && err != io.EOF && w.life.Err() != nil {
		err = context.Cause(w.life)
	}
	return n, err
}

func (w *watched) Close() error {
	w.end()
	return w.ReadCloser.Close()
}

// broken describes a request that got no whole answer. A write may have happened.
func broken(ctx context.Context, r request, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	// A URL in the error would carry a query's job and locator; its cause is enough.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &event.Error{Op: r.op, Happened: event.HappenedUnknown, Healing: event.Transient, Err: err}
	if r.method == http.MethodGet {
		e.Happened = event.HappenedNo
	}
	return e
}
