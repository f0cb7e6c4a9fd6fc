package callout

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is a HttpRequest of Apex.
type Request struct {
	Method string
	// Endpoint is callout:Name/path or an address on a remote site.
	Endpoint   string
	Header     map[string]string
	Body       []byte
	Compressed bool // setCompressed(true)
	// Timeout is what the callout may take by the org's clock, from the first
	// look at the token to the last byte of the response.
	Timeout time.Duration
	// MaxBody bounds request and response, each.
	MaxBody int
}

// Response is a HttpResponse of Apex. Redirects are responses.
type Response struct {
	Status     int
	StatusText string
	Header     http.Header
	Body       []byte
}

// Do sends the request and reads the response. A failure is an [*Error] unless
// ctx itself ended.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	if len(r.Body) > r.MaxBody {
		return nil, TooLarge(r.MaxBody)
	}
	to, by, refused := c.resolve(r.Endpoint)
	if refused != nil {
		return nil, refused
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := c.cfg.Clock.AfterFunc(r.Timeout, func() { cancel(errTimeLimit) })
	defer timer.Stop()
	response, err := c.exchange(limited, to, by, r)
	switch {
	case err == nil:
		return response, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, inWords(limited, to.Hostname(), err)
}

// exchange sends the request, and once more with a new token when the first was
// refused.
func (c *Client) exchange(ctx context.Context, to *url.URL, by *credential, r *Request) (*Response, error) {
	if by == nil {
		return c.send(ctx, c.plain, to, r, nil)
	}
	authorize, token, err := by.authorization(ctx, c.cfg.UserAgent)
	if err != nil {
		return nil, err
	}
	response, err := c.send(ctx, by.http, to, r, authorize)
	if err != nil || !by.refreshes(response.Status) {
		return response, err
	}
	if err := by.token.forget(ctx, token); err != nil {
		return nil, err
	}
	if authorize, _, err = by.authorization(ctx, c.cfg.UserAgent); err != nil {
		return nil, err
	}
	return c.send(ctx, by.http, to, r, authorize)
}

func (c *credential) refreshes(status int) bool {
	return c.Auth.Protocol == ClientCredentials && (status == http.StatusUnauthorized || slices.Contains(c.Auth.RefreshOn, status))
}

func (c *Client) send(ctx context.Context, client *http.Client, to *url.URL, r *Request, authorize func(http.Header)) (*Response, error) {
	request, err := c.request(ctx, to, r)
	if err != nil {
		return nil, err
	}
	if authorize != nil {
		authorize(request.Header)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(r.MaxBody)+1))
	if err != nil {
		return nil, err
	}
	if len(body) > r.MaxBody {
		return nil, TooLarge(r.MaxBody)
	}
	_, text, _ := strings.Cut(answer.Status, " ")
	return &Response{Status: answer.StatusCode, StatusText: text, Header: answer.Header, Body: body}, nil
}

func (c *Client) request(ctx context.Context, to *url.URL, r *Request) (*http.Request, error) {
	body := r.Body
	if r.Compressed && len(body) > 0 {
		body = compress(body)
	}
	var content io.Reader = http.NoBody
	if len(body) > 0 {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, to.String(), content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", c.cfg.UserAgent)
	for name, value := range c.cfg.Headers {
		request.Header.Set(name, value)
	}
	if len(body) > 0 && r.Compressed {
		request.Header.Set("Content-Encoding", "gzip")
	}
	for name, value := range r.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Host":
			request.Host = value
		case "Content-Length": // follows from the body
		default:
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(body)
	if err = errors.Join(err, w.Close()); err != nil {
		return body // a buffer does not refuse
	}
	return out.Bytes()
}
