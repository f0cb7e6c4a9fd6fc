package callout

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
)

// Config is what callouts depend on.
type Config struct {
	Credentials []Credential
	// RemoteSites are addresses that may be called without a credential.
	RemoteSites []string
	// UserAgent is SFDC-Callout and the API version unless set.
	UserAgent string
	// Headers are what every callout carries unless Apex sets them otherwise;
	// [DefaultHeaders] unless set.
	Headers map[string]string
	Clock   *clock.Clock
	Logger  *slog.Logger
}

// DefaultHeaders are the headers that captures of real callouts show.
func DefaultHeaders() map[string]string {
	return map[string]string{
		"Accept":           "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
		"Cache-Control":    "no-cache",
		"Pragma":           "no-cache",
		"Sfdc-Stack-Depth": "1",
	}
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	c.UserAgent = cmp.Or(c.UserAgent, "SFDC-Callout/67.0")
	if c.Headers == nil {
		c.Headers = DefaultHeaders()
	}
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Client calls out. Safe for concurrent use.
type Client struct {
	cfg   Config
	plain *http.Client // for remote sites

	mu          sync.Mutex
	credentials map[string]*credential
	sites       []string
}

// credential is a declared credential with its connections and its token.
type credential struct {
	Credential
	http  *http.Client
	token tokenSource
}

// New returns a client with the declared credentials and sites.
func New(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg.WithDefaults(), credentials: make(map[string]*credential)}
	var err error
	if c.plain, err = NewHTTPClient(&TLS{}); err != nil {
		return nil, err
	}
	for i := range cfg.Credentials {
		if err := c.Declare(cfg.Credentials[i]); err != nil {
			return nil, err
		}
	}
	for _, site := range cfg.RemoteSites {
		if err := c.Allow(site); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Declare adds a credential, or replaces the one of that name together with its token.
func (c *Client) Declare(declared Credential) error {
	if err := declared.Validate(); err != nil {
		return err
	}
	client, err := NewHTTPClient(&declared.TLS)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.credentials[strings.ToLower(declared.Name)]; ok {
		old.http.CloseIdleConnections()
	}
	c.credentials[strings.ToLower(declared.Name)] = &credential{Credential: declared, http: client, token: newTokenSource()}
	return nil
}

// Allow adds a remote site: scheme, host and port of an address.
func (c *Client) Allow(site string) error {
	if err := checkURL(site); err != nil {
		return fmt.Errorf("remote site: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.sites, site) {
		c.sites = append(c.sites, site)
	}
	return nil
}

// Credentials lists what is declared by name, without secrets.
func (c *Client) Credentials() []Credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Credential, 0, len(c.credentials))
	for _, name := range slices.Sorted(maps.Keys(c.credentials)) {
		shown := c.credentials[name].Credential
		for _, hidden := range []*string{&shown.Auth.Token, &shown.Auth.Password, &shown.Auth.Value, &shown.Auth.ClientSecret, &shown.TLS.KeyPEM} {
			if *hidden != "" {
				*hidden = "***"
			}
		}
		list = append(list, shown)
	}
	return list
}

// RemoteSites lists the sites that may be called without a credential.
func (c *Client) RemoteSites() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sites)
}

// Close gives up the connections that are kept alive.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain.CloseIdleConnections()
	for _, known := range c.credentials {
		known.http.CloseIdleConnections()
	}
}

// resolve finds where an endpoint leads and with which credential, nil for a
// remote site.
func (c *Client) resolve(endpoint string) (*url.URL, *credential, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest, named := cutFold(endpoint, "callout:")
	if !named {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || !slices.ContainsFunc(c.sites, func(site string) bool { return sameSite(site, u) }) {
			return nil, nil, unauthorized(endpoint)
		}
		return u, nil, nil
	}
	name, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		name, path = rest[:i], rest[i:]
	}
	known, ok := c.credentials[strings.ToLower(name)]
	if !ok {
		return nil, nil, noCredential(name)
	}
	u, err := url.Parse(strings.TrimSuffix(known.URL, "/") + path)
	if err != nil {
		return nil, nil, unauthorized(endpoint)
	}
	return u, known, nil
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func sameSite(site string, u *url.URL) bool {
	s, err := url.Parse(site)
	return err == nil && strings.EqualFold(s.Scheme, u.Scheme) && strings.EqualFold(s.Host, u.Host)
}

// neverContinue is longer than any callout: a server that does not answer
// Expect: 100-continue never gets the body, as on the platform.
const neverContinue = time.Hour

// NewHTTPClient returns a client with the habits of the platform: HTTP/1.1, kept
// alive, no redirect followed, no compression asked for.
func NewHTTPClient(t *TLS) (*http.Client, error) {
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: cfg, Protocols: protocols, DisableCompression: true, MaxIdleConnsPerHost: 16,
			IdleConnTimeout: time.Minute, ExpectContinueTimeout: neverContinue,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
