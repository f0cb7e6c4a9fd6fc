package cometd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// link is the HTTP side of one session: the endpoint, the token it was opened
// with and its cookies. It is safe for concurrent use.
type link struct {
	client *http.Client
	token  auth.Token
	url    string
	path   string
	limit  int64
	jar    cookies
	date   atomic.Int64 // the server's clock at its last answer, Unix seconds
}

func newLink(client *http.Client, token auth.Token, cfg Config) (*link, error) {
	u, err := url.Parse(token.InstanceURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("make streaming endpoint: the instance url is malformed")
	}
	path := strings.TrimSuffix(u.Path, "/") + "/cometd/" + cfg.Version
	return &link{client: client, token: token, url: u.Scheme + "://" + u.Host + path, path: path, limit: cfg.MaxResponse}, nil
}

// post sends messages and hands over those of the answer, one after the other,
// while they arrive. It fails with a *Refusal when the answer is none of Bayeux.
func (l *link) post(ctx context.Context, timeout time.Duration, requests []request, each func(*message) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errNoAnswer)
	defer cancel()
	err := l.exchange(ctx, requests, each)
	if err != nil && context.Cause(ctx) == errNoAnswer { // the cause is ours, never wrapped
		return fmt.Errorf("%w within %s", errNoAnswer, timeout)
	}
	return err
}

func (l *link) exchange(ctx context.Context, requests []request, each func(*message) error) error {
	body, err := json.Marshal(requests)
	if err != nil {
		return fmt.Errorf("encode messages: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "OAuth "+l.token.AccessToken.Reveal())
	req.Header.Set("User-Agent", "sallyport")
	if text := l.jar.header(); text != "" {
		req.Header["Cookie"] = []string{text}
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return transportError(err)
	}
	defer resp.Body.Close() // nothing is left to do about it
	l.jar.store(resp.Header, l.path, time.Now())
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		l.date.Store(at.Unix())
	}
	return l.read(resp, each)
}

// transportError takes the address off net/http's error: it is always the same
// and says nothing.
func transportError(err error) error {
	for {
		inner, ok := err.(*url.Error) // only the outermost is net/http's
		if !ok {
			return err
		}
		err = inner.Err
	}
}

// read hands over the messages of an answer. At the edge of the platform
// failures have a status and a page of HTML instead, which nobody wants to read.
func (l *link) read(resp *http.Response, each func(*message) error) error {
	body := &capped{r: resp.Body, left: l.limit}
	if resp.StatusCode == http.StatusOK {
		return decodeMessages(body, each)
	}
	said := false
	err := decodeMessages(body, func(m *message) error {
		said = said || m.Error != ""
		return each(m)
	})
	if said || (err != nil && !isFormat(err)) {
		return err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // lets the connection live
	return &Refusal{Status: resp.StatusCode, After: retryAfter(resp.Header)}
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

// serverTime is the server's clock at its last answer, ours if it told none.
func (l *link) serverTime() time.Time {
	if s := l.date.Load(); s != 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Now().UTC()
}
