package rest

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// The words of a call that callers of this package need.
type (
	// Config says how to talk to the org.
	Config = call.Config
	// TokenSource gives the access token of the org; *auth.Source is one.
	TokenSource = call.TokenSource
	// Usage is how much of the org's API requests is used.
	Usage = call.Usage
)

// DefaultVersion is the API version that is asked for unless set otherwise.
const DefaultVersion = call.DefaultVersion

// Client speaks to one org. It is safe for concurrent use.
type Client struct{ call *call.Client }

// New returns a Client. The http client's transport carries TLS settings and
// proxies; nil means http.DefaultTransport. The client is copied.
func New(cfg Config, tokens TokenSource, client *http.Client) (*Client, error) {
	made, err := call.New(cfg, tokens, client)
	if err != nil {
		return nil, err
	}
	return &Client{made}, nil
}
