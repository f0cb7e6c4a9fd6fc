package restapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Config is what the API needs of the rest of the org.
type Config struct {
	Catalog   *schema.Catalog
	Engine    *record.Engine
	Sessions  session.Authenticator
	Publisher record.Publisher
	// Now is the org's clock; time.Now unless set.
	Now   func() time.Time
	OrgID salesforce.ID
	// InstanceURL is the base of absolute URLs in answers; scheme and host of the
	// request unless set.
	InstanceURL func(*http.Request) string
	// Logger hears of internal failures only; discarded unless set.
	Logger *slog.Logger
	// DailyRequests is the org's API allocation for 24 hours, as limits and
	// Sforce-Limit-Info state it. Calls beyond it are refused. Unless set, 100,000 is
	// stated and nothing refused.
	DailyRequests int
	// Allocations tells what other parts of the org count: maximum and remainder by
	// name in limits. Nil for nothing.
	Allocations func() map[string][2]int
	// MaxBody bounds a request body after decompression; 50 MB unless set.
	MaxBody int64
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.InstanceURL == nil {
		c.InstanceURL = requestURL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Allocations == nil {
		c.Allocations = func() map[string][2]int { return nil }
	}
	if c.MaxBody == 0 {
		c.MaxBody = 50 << 20
	}
	return c
}

// Validate reports every missing part.
func (c Config) Validate() error {
	var problems []error
	for name, missing := range map[string]bool{
		"Catalog": c.Catalog == nil, "Engine": c.Engine == nil, "Sessions": c.Sessions == nil, "Publisher": c.Publisher == nil,
	} {
		if missing {
			problems = append(problems, errors.New("rest api needs "+name))
		}
	}
	return errors.Join(problems...)
}

// API is the handler. Safe for concurrent use.
type API struct {
	cfg      Config
	usage    *usage
	locators *locators
	started  time.Time // to the second; what metadata was last changed at
}

// statedRequests is the allocation that is told when none is set.
const statedRequests = 100_000

// New returns the API, or what its configuration lacks.
func New(cfg Config) (*API, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &API{
		cfg: cfg, locators: newLocators(cfg.Now), usage: &usage{now: cfg.Now}, started: cfg.Now().UTC().Truncate(time.Second),
	}, nil
}

// RequestsUsed returns how many authenticated calls were ever answered.
func (a *API) RequestsUsed() int64 { return a.usage.ever() }

// maxURI is the longest URI that the org's front answers. Longer statements go
// through a composite call.
const maxURI = 16_384

// call is one request on its way through the API.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context // of the request; carries a borrowed transaction
	method  string          // after _HttpMethod
	version string          // "67.0"
	path    []string        // segments after the version, decoded, as written
	session session.Session
	maxBody int64
}

// ServeHTTP answers one call. The request's path must begin with /services/data;
// one doubled leading slash is tolerated, as clients send it.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, finish := compressed(w, r)
	defer finish()
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, a.cfg.MaxBody)
	}
	if len(r.URL.RequestURI()) > maxURI {
		http.Error(w, "<html><head><title>414 URI Too Long</title></head></html>", http.StatusRequestURITooLong)
		return
	}
	segments, err := segmentsOf(r.URL.EscapedPath())
	if err != nil {
		writeError(w, badRequest("URI_SYNTAX", "malformed path"))
		return
	}
	c := &call{w: w, r: r, ctx: r.Context(), method: methodOf(r), maxBody: a.cfg.MaxBody}
	if len(segments) == 0 {
		a.versions(c)
		return
	}
	version, problem := versionOf(segments[0])
	if problem != nil {
		writeError(w, problem)
		return
	}
	c.version, c.path = version, segments[1:]
	if problem := a.authenticate(c); problem != nil {
		writeError(w, problem)
		return
	}
	a.respond(c)
}

// respond counts the call and runs it; errors become the org's answer.
func (a *API) respond(c *call) {
	info, ok := a.TakeRequest()
	c.w.Header().Set("Sforce-Limit-Info", info)
	if !ok {
		writeError(c.w, &problem{status: http.StatusForbidden, code: "REQUEST_LIMIT_EXCEEDED", message: "TotalRequests Limit exceeded."})
		return
	}
	if err := a.dispatch(c); err != nil {
		problem := c.problem(err)
		if problem.status == http.StatusInternalServerError {
			a.cfg.Logger.ErrorContext(c.ctx, "org request failed", "method", c.method, "path", c.r.URL.Path, "err", err)
		}
		writeError(c.w, problem)
	}
}

// dispatch picks the resource by the first segment after the version.
func (a *API) dispatch(c *call) error {
	if len(c.path) == 0 {
		return a.resources(c)
	}
	rest := c.path[1:]
	switch strings.ToLower(c.path[0]) {
	case "sobjects":
		return a.sobjects(c, rest)
	case "query":
		return a.query(c, rest, false)
	case "queryall":
		return a.query(c, rest, true)
	case "limits":
		return a.limits(c, rest)
	case "search":
		return a.search(c, rest)
	case "parameterizedsearch":
		return a.parameterizedSearch(c, rest)
	case "composite":
		return a.composite(c, rest)
	case "tooling":
		return a.tooling(c, rest)
	}
	return resourceMissing()
}

// segmentsOf splits the path after /services/data. Empty segments elsewhere than
// at the end stay, since the org answers 404 to them.
func segmentsOf(escaped string) ([]string, error) {
	path := strings.TrimPrefix(escaped, "/")
	path = strings.TrimPrefix(path, "/") // sf sends //services/data
	path = strings.TrimPrefix(path, "services/data")
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil, nil
	}
	return decodeSegments(strings.Split(path, "/"))
}

// methodOf honours ?_HttpMethod=PATCH on a POST.
func methodOf(r *http.Request) string {
	if override := r.URL.Query().Get("_HttpMethod"); override != "" && r.Method == http.MethodPost {
		return strings.ToUpper(override)
	}
	return r.Method
}

func requestURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
