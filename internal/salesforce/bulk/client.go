package bulk

import (
	"context"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// The words of a call that callers of this package need.
type (
	// TokenSource gives the access token of the org; *auth.Source is one.
	TokenSource = call.TokenSource
	// Usage is how much of the org's API requests is used.
	Usage = call.Usage
)

// Client speaks to one org. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *call.Client
}

// New returns a Client. The http client's transport carries TLS settings and
// proxies; nil means http.DefaultTransport. The client is copied.
func New(cfg Config, tokens TokenSource, client *http.Client) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	made, err := call.New(cfg.calls(), tokens, client)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, http: made}, nil
}

func (c *Client) base() string { return c.http.Base() + "/jobs/query" }

// call makes a request whose answer is small, and decodes its JSON into into
// unless that is nil.
func (c *Client) call(ctx context.Context, r call.Request, into any) error {
	a, err := c.http.Do(ctx, r)
	if err != nil || into == nil {
		return err
	}
	return call.Decode(r.Op, a.Body, into)
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
