package httpout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

var _ event.Responder = (*Destination)(nil)

// Respond passes a request on to the application and its answer back: method,
// path below the configured URL, query, the headers of the call and the body,
// with the same CloudEvents headers, key and signature as a delivered event has.
// What belongs to a connection stays on it, in both directions (RFC 9110 §7.6.1).
func (d *Destination) Respond(ctx context.Context, c event.Call, attempt int) (event.Reply, event.Outcome) {
	h := d.callHeaders(ctx, &c, attempt, time.Now())
	if refused := d.addContext(ctx, &h, &c.Event); refused != nil {
		return event.Reply{}, *refused
	}
	req := d.post(ctx, h, c.Event.Data)
	req.Method, req.URL = c.Method, d.below(c.Path, c.Query)
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		return event.Reply{}, failure(ctx, err)
	}
	body, err := readReply(resp, d.maxAnswer)
	if err != nil {
		o := failure(ctx, err)
		if errors.Is(err, errTooLarge) {
			o = event.Outcome{
				Verdict: event.Reject, Happened: event.HappenedYes, Reason: fmt.Sprintf("the application's answer is larger than %d bytes", d.maxAnswer),
				Hint: "answer in pages, or raise the route's callout.max_answer (Apex reads 6 MB at most)",
			}
		}
		return event.Reply{}, o
	}
	return event.Reply{Status: resp.StatusCode, Header: endToEnd(resp.Header), Body: body}, d.answer(resp)
}

func (d *Destination) callHeaders(ctx context.Context, c *event.Call, attempt int, now time.Time) headers {
	h := d.headers(ctx, &c.Event, attempt, now)
	if len(c.Event.Data) == 0 {
		delete(h.header, "Content-Type")
	}
	for name, values := range c.Header {
		if isReserved(name) && name != "Content-Type" || isHop(name) {
			continue
		}
		if _, configured := d.extra[name]; !configured {
			h.header[name] = values
		}
	}
	return h
}

// below returns the address of a path under the configured one.
func (d *Destination) below(path, query string) *url.URL {
	if path == "" && query == "" {
		return d.target
	}
	u := *d.target
	if path != "" {
		escaped := strings.TrimSuffix(u.EscapedPath(), "/") + path
		if plain, err := url.PathUnescape(escaped); err == nil {
			u.Path, u.RawPath = plain, escaped
		}
	}
	if query != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+query, "&")
	}
	return &u
}

// readReply reads and closes the body of an answer.
func readReply(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength < 0 || resp.ContentLength > limit {
		return readAnswer(resp.Body, int(limit)) // which fails if it is too large
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.Request.Method == http.MethodHead {
		return nil, nil
	}
	body := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(resp.Body, body)
	return body, err
}

// endToEnd returns the headers that concern the receiver of an answer.
func endToEnd(h http.Header) http.Header {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			delete(h, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	for name := range h {
		if isHop(name) || name == "Content-Length" || name == "Date" {
			delete(h, name)
		}
	}
	return h
}

// isHop reports whether a header belongs to a connection.
func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}
