package call

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// maxRefusal bounds what is read of an answer that is no success.
const maxRefusal = 1 << 20

// errSilent is the cause with which a request that says nothing is ended.
var errSilent = errors.New("nothing received for too long")

// once makes one request with the current token. The body of a successful answer
// lives until it is closed; silence ends it.
func (c *Client) once(ctx context.Context, r Request) (*http.Response, auth.Token, error) {
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
	c.report(resp.Header)
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotModified {
		return resp, token, nil
	}
	defer resp.Body.Close()                                      // read only
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // a refusal without a readable body is one by its status
	return nil, token, c.refused(r, resp, body)
}

func (c *Client) newRequest(ctx context.Context, r Request, token auth.Token) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, token.InstanceURL+r.Path, body)
	if err != nil {
		return nil, &event.Error{Op: r.Op, Happened: event.HappenedNo, Healing: event.Permanent, Err: errors.New("malformed URL")}
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	// The transport asks for gzip by itself, and unpacks it as it is read.
	req.Header.Set("Accept", orElse(r.Accept, "application/json"))
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	req.Header.Set("Sforce-Call-Options", "client="+c.cfg.ClientName)
	if r.Body != nil {
		req.Header.Set("Content-Type", orElse(r.ContentType, "application/json; charset=UTF-8"))
	}
	return req, nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (c *Client) report(h http.Header) {
	if c.cfg.LimitFunc == nil {
		return
	}
	if usage, ok := ParseUsage(h.Get("Sforce-Limit-Info")); ok {
		c.cfg.LimitFunc(usage)
	}
}

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
