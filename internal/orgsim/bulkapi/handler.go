package bulkapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// Versions of the API: the newest of the org, the first with ingest jobs, with
// query jobs, and with pages of results to read in parallel.
const (
	newestVersion    = 67
	ingestVersion    = 41
	queryVersion     = 47
	pagesVersion     = 58
	inOrderVersion   = 50 // from here on result columns are in the order of the SELECT list
	failedIDsVersion = 53 // from here on failed rows carry their Id
)

const dataPath = "/services/data/"

// Serves says that the path belongs to this API.
func Serves(path string) bool {
	rest, ok := strings.CutPrefix(path, dataPath)
	_, rest, more := strings.Cut(rest, "/")
	return ok && more && (rest == "jobs" || strings.HasPrefix(rest, "jobs/"))
}

// call is one request on its way through the API.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	version int
	path    []string // segments after jobs
	session session.Session
}

// number is the call's version as the org writes it.
func (c *call) number() string { return strconv.Itoa(c.version) + ".0" }

// base is the path of the call's version, without a leading slash.
func (c *call) base() string { return "services/data/v" + c.number() }

// ServeHTTP answers one call. The request's path must be one that [Serves] accepts.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r}
	if err := a.serve(c); err != nil {
		p := asProblem(err)
		if p.status == http.StatusInternalServerError {
			a.cfg.Logger.ErrorContext(r.Context(), "bulk request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		writeProblem(w, p)
	}
}

func (a *API) serve(c *call) error {
	if err := c.parse(); err != nil {
		return err
	}
	if err := a.authenticate(c); err != nil {
		return err
	}
	if info := a.cfg.CountCall(); info != "" {
		c.w.Header().Set("Sforce-Limit-Info", info)
	}
	a.sweep()
	if len(c.path) == 0 {
		return missing()
	}
	rest := c.path[1:]
	switch kind := strings.ToLower(c.path[0]); {
	case kind == "ingest" && c.version >= ingestVersion:
		return a.serveIngest(c, rest)
	case kind == "query" && c.version >= queryVersion:
		return a.serveQuery(c, rest)
	}
	return missing()
}

// parse splits /services/data/vNN.0/jobs/... . A trailing slash means nothing;
// an empty segment elsewhere is a resource that does not exist.
func (c *call) parse() error {
	rest := strings.TrimSuffix(strings.TrimPrefix(c.r.URL.EscapedPath(), dataPath), "/")
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return badRequest("URI_SYNTAX", "malformed path")
		}
		segments[i] = decoded
	}
	number, ok := strings.CutPrefix(strings.ToLower(segments[0]), "v")
	number, point := strings.CutSuffix(number, ".0")
	version, err := strconv.Atoi(number)
	if !ok || !point || err != nil || version > newestVersion || version < 1 || len(segments) < 2 {
		return missing()
	}
	c.version, c.path = version, segments[2:]
	return nil
}

func (a *API) authenticate(c *call) error {
	scheme, token, ok := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		c.w.Header().Set("WWW-Authenticate", "Token")
		return &problem{http.StatusUnauthorized, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"}
	}
	if c.session, ok = a.cfg.Sessions.Authenticate(strings.TrimSpace(token)); !ok {
		c.w.Header().Set("WWW-Authenticate", "Token")
		return &problem{http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid"}
	}
	return nil
}

// origin is the change event header's changeOrigin of what the call's job writes.
func (c *call) origin() string {
	origin := "com/salesforce/api/bulkapi/" + c.number()
	for _, option := range strings.Split(c.r.Header.Get("Sforce-Call-Options"), ",") {
		key, value, ok := strings.Cut(option, "=")
		if ok && strings.EqualFold(strings.TrimSpace(key), "client") {
			return origin + ";client=" + strings.TrimSpace(value)
		}
	}
	return origin
}
