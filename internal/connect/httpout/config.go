package httpout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Config describes an application's endpoint. Zero means the default.
type Config struct {
	// URL receives a POST per event; required. Credentials in it are refused,
	// because URLs are shown and logged: use Headers.
	URL string
	// Secrets sign every request, in the form of Standard Webhooks: "whsec_" and
	// base64 of 24 to 64 bytes. None sends no signature. Two are both live while a
	// secret is rotated: the application takes a request that either has signed.
	Secrets []secret.String
	// Headers are sent with every request, for example Authorization. Those that
	// this package sets itself are refused.
	Headers map[string]secret.String
	// RetryStatuses are 4xx statuses that do not judge the event: they are tried
	// again on the schedule. Default none beyond 408, 425 and 429.
	RetryStatuses []int
	// KeepAnswer is the most bytes of an answer to a delivered event that are
	// returned with its outcome; of a larger answer only that it was larger. Default 0:
	// none is kept.
	// Answers to batches are not kept.
	KeepAnswer int
	// AllowPlainHTTP permits http:// to a host other than this one.
	AllowPlainHTTP bool
	// Concurrency is how many connections are kept for reuse: the route's
	// concurrency. Default 16.
	Concurrency int
	// ConnectTimeout bounds the connection and, once more, the TLS handshake;
	// default 5 s. Keep it below the attempt's own limit, or the one cannot be
	// told from the other.
	ConnectTimeout time.Duration
	// IdleTimeout closes connections that have not been used for so long; default
	// 4 s, because widespread servers close theirs after 5 s, and a request that
	// crosses such a close has an unknown end.
	IdleTimeout time.Duration
	// MaxAnswer is the most bytes of an answer that [Destination.Respond] passes
	// back; default 6 MiB.
	MaxAnswer int64
	// ClientContext makes the x-client-context header of a request about an event;
	// nil sends none. It carries an access token, so the URL must be https or on this
	// host, whatever AllowPlainHTTP says. Without a context nothing is sent.
	ClientContext func(ctx context.Context, e *event.Event) (string, error)
	// TLS overrides the trusted roots, a client certificate and the like; may be nil.
	TLS *tls.Config
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.Concurrency == 0 {
		c.Concurrency = 16
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 4 * time.Second
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = 6 << 20
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.target(); err != nil {
		errs = append(errs, err)
	}
	if len(c.Secrets) > 2 {
		errs = append(errs, fmt.Errorf("%d signing secrets: want at most two, the new and the old", len(c.Secrets)))
	}
	for i, s := range c.Secrets {
		if _, err := newSigner(s); err != nil {
			errs = append(errs, fmt.Errorf("signing secret %d: %w", i+1, err))
		}
	}
	for name, value := range c.Headers {
		errs = append(errs, checkHeader(name, value))
	}
	for _, status := range c.RetryStatuses {
		if status < 400 || status > 499 {
			errs = append(errs, fmt.Errorf("retry status %d is not between 400 and 499", status))
		}
	}
	if u, err := c.target(); err == nil && c.ClientContext != nil && u.Scheme != "https" && !isLoopback(u.Hostname()) {
		errs = append(errs, fmt.Errorf("url: plain http to %s would show an access token to the network; use https", u.Hostname()))
	}
	if c.KeepAnswer < 0 {
		errs = append(errs, fmt.Errorf("keeping %d bytes of answers is less than none", c.KeepAnswer))
	}
	if c.Concurrency < 1 || c.ConnectTimeout <= 0 || c.IdleTimeout <= 0 {
		errs = append(errs, errors.New("concurrency and timeouts must be positive"))
	}
	return errors.Join(errs...)
}

// target parses and checks the URL. Its errors do not repeat the URL, which may
// carry a token in its query.
func (c Config) target() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, errors.New("url: malformed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("url: want http:// or https:// and a host")
	case u.User != nil:
		return nil, errors.New("url: holds credentials; send them in an Authorization header")
	case u.Fragment != "":
		return nil, errors.New("url: has a fragment, which would not be sent")
	case u.Scheme == "http" && !c.AllowPlainHTTP && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("url: plain http to %s shows payloads to the network; use https or allow plain http", u.Hostname())
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func checkHeader(name string, value secret.String) error {
	if name == "" || strings.ContainsFunc(name, notInToken) {
		return fmt.Errorf("header %q: not a header name", name)
	}
	if isReserved(http.CanonicalHeaderKey(name)) {
		return fmt.Errorf("header %q: set by the delivery itself", name)
	}
	if strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("header %q: its value has control characters", name)
	}
	return nil
}

func notInToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

func isReserved(name string) bool {
	if strings.HasPrefix(name, "Ce-") || strings.HasPrefix(name, "Webhook-") {
		return true
	}
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Host", "Idempotency-Key", "Traceparent",
		"User-Agent", "Connection", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Expect":
		return true
	}
	return false
}
