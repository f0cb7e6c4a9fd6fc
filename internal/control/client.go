package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// maxAnswer bounds what a client reads of one answer.
const maxAnswer = 64 << 20

// ClientConfig is where a gateway's operator API is.
type ClientConfig struct {
	// Address is host:port, as in control.listen, or a URL (a proxy, TLS).
	Address string
	Token   secret.String
	// Timeout bounds one request; 0 means a minute.
	Timeout time.Duration
}

// Client asks a running gateway. It is safe for concurrent use.
type Client struct {
	base  string
	token secret.String
	http  *http.Client
}

var _ API = (*Client)(nil)

// NewClient returns a client; it connects with the first request. Close it to
// drop idle connections.
func NewClient(c ClientConfig) (*Client, error) {
	base, err := baseURL(c.Address)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
	}
	return &Client{base: base, token: c.Token, http: &http.Client{
		Transport: transport, Timeout: c.Timeout,
		// A redirect would carry the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// baseURL makes an address to dial of one to listen on.
func baseURL(address string) (string, error) {
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return "", fmt.Errorf("%q is not the address of a gateway", address)
		}
		return strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/"), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not the address of a gateway: %w", address, err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// Address is the URL that is asked.
func (c *Client) Address() string { return c.base }

// Close drops idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status implements [API].
func (c *Client) Status(ctx context.Context) (Status, error) {
	var out Status
	return out, c.get(ctx, pathStatus, nil, &out)
}

// Events implements [API].
func (c *Client) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	v := url.Values{}
	for name, value := range map[string]string{"route": q.Route, "state": q.State, "before": number(q.Before), "limit": number(int64(q.Limit))} {
		if value != "" {
			v.Set(name, value)
		}
	}
	var out EventPage
	return out, c.get(ctx, pathEvents, v, &out)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// Event implements [API].
func (c *Client) Event(ctx context.Context, id string, payload bool) ([]Event, error) {
	v := url.Values{}
	if payload {
		v.Set("payload", "true")
	}
	var out eventsBody
	err := c.get(ctx, pathEvents+"/"+url.PathEscape(id), v, &out)
	return out.Events, err
}

// Redrive implements [API].
func (c *Client) Redrive(ctx context.Context, r RedriveRequest) (RedriveResult, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return RedriveResult{}, fmt.Errorf("encode redrive request: %w", err)
	}
	var out RedriveResult
	return out, c.do(ctx, http.MethodPost, pathRedrive, nil, body, &out)
}

// Audit implements [API].
func (c *Client) Audit(ctx context.Context) (AuditReport, error) {
	var out AuditReport
	return out, c.get(ctx, pathAudit, nil, &out)
}

// Gaps implements [API].
func (c *Client) Gaps(ctx context.Context, subscription string) ([]Gap, error) {
	v := url.Values{}
	if subscription != "" {
		v.Set("subscription", subscription)
	}
	var out gapsBody
	err := c.get(ctx, pathGaps, v, &out)
	return out.Gaps, err
}

// Gap implements [API].
func (c *Client) Gap(ctx context.Context, number int64) (Gap, error) {
	var out gapBody
	err := c.get(ctx, gapPath(number), nil, &out)
	return out.Gap, err
}

// ChangeGap implements [API].
func (c *Client) ChangeGap(ctx context.Context, number int64, action GapAction) (Gap, error) {
	var out gapBody
	err := c.do(ctx, http.MethodPost, gapPath(number)+"/"+url.PathEscape(string(action)), nil, []byte("{}"), &out)
	return out.Gap, err
}

func gapPath(number int64) string { return pathGaps + "/" + strconv.FormatInt(number, 10) }

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, out)
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body []byte, out any) error {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("build request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.unanswered(err)
	}
	if len(data) > maxAnswer {
		return &Error{Kind: ErrInternal, What: "the answer is too large", Hint: "ask with a smaller --limit"}
	}
	if resp.StatusCode != http.StatusOK {
		return c.refusal(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &Error{Kind: ErrInternal, What: "the answer of " + c.base + " cannot be read", Hint: "is this the address of a Sallyport gateway of the same version?", Err: err}
	}
	return nil
}

// unanswered tells a gateway that does not run from one that does not answer:
// only of the first is it certain that nothing happened.
func (c *Client) unanswered(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // what it wraps says the address once more
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return &Error{Kind: ErrUnreachable, What: "no gateway at " + c.base, Hint: "start it with sallyport run, or check control.listen", Err: err}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return &Error{Kind: ErrTimeout, What: "the gateway at " + c.base + " did not answer in time", Hint: "look at its log and at /healthz", Err: err}
	}
	return &Error{Kind: ErrInternal, What: "ask the gateway at " + c.base, Hint: "look at its log", Err: err}
}

func (c *Client) refusal(status int, data []byte) error {
	var body errorBody
	if err := json.Unmarshal(data, &body); err != nil || body.Error.Code == "" {
		return &Error{Kind: ErrInternal, What: fmt.Sprintf("%s answered %d", c.base, status), Hint: "is this the address of a Sallyport gateway?"}
	}
	for _, k := range kinds {
		if k.code == body.Error.Code {
			return &Error{Kind: k.err, What: body.Error.Message, Hint: body.Error.Hint}
		}
	}
	return &Error{Kind: ErrInternal, What: body.Error.Message, Hint: body.Error.Hint}
}
