package page

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxShown bounds a text from a client in the log.
const maxShown = 500

// Observer writes the requests of an HTTP port to a log.
type Observer struct {
	Log *Log
	// Now is the org's clock.
	Now func() time.Time
	// App names the connected app of a token, "" if the token is not good.
	App func(token string) string
}

// Middleware logs every request that next answers, once it has.
func (o *Observer) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Request{
			Time: o.Now(), Client: clientOf(r.Header), Method: r.Method, Path: r.URL.Path,
			Query: queryOf(r), Family: familyOf(r.URL.Path),
		}
		if token := bearer(r); token != "" {
			entry.App = o.App(token)
		}
		began := time.Now()
		noted := &noting{ResponseWriter: w}
		defer func() {
			entry.Micros = time.Since(began).Microseconds()
			entry.Status, entry.Failed = noted.outcome()
			o.Log.Add(entry.Clean())
		}()
		next.ServeHTTP(noted, r)
	})
}

// noting remembers an answer's status.
type noting struct {
	http.ResponseWriter
	status int
}

func (n *noting) WriteHeader(status int) {
	if n.status == 0 {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}

func (n *noting) Write(p []byte) (int, error) {
	if n.status == 0 {
		n.status = http.StatusOK
	}
	return n.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// outcome is the status; "reset" when the connection ended without one.
func (n *noting) outcome() (status string, failed bool) {
	if n.status == 0 {
		return "reset", true
	}
	return strconv.Itoa(n.status), n.status >= http.StatusBadRequest
}

// clientOf is the caller's own name for itself: the call option if it sends one,
// and its user agent.
func clientOf(h http.Header) string {
	agent := h.Get("User-Agent")
	for option := range strings.SplitSeq(h.Get("Sforce-Call-Options"), ",") {
		if key, name, ok := strings.Cut(strings.TrimSpace(option), "="); ok && strings.EqualFold(key, "client") && name != "" {
			return strings.TrimSpace(name + " " + agent)
		}
	}
	return agent
}

func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		return ""
	}
	return strings.TrimSpace(token)
}

// literal is a string or number in a statement, which is data.
var literal = regexp.MustCompile(`'(?:[^'\\]|\\.)*'?|\b\d+(?:\.\d+)?\b`)

// queryOf returns the statement of a query or search without its literals. The
// other parameters of a URL stay out of the log: one of them can be a token.
func queryOf(r *http.Request) string {
	if !strings.HasPrefix(r.URL.Path, "/services/data/") {
		return ""
	}
	statement := r.URL.Query().Get("q")
	if strings.HasPrefix(strings.ToUpper(strings.TrimSpace(statement)), "FIND") {
		return "FIND {?}" // the search term is data
	}
	return literal.ReplaceAllString(statement, "?")
}

var families = []struct {
	at   *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`^/services/data/v[\d.]+/jobs(/|$)`), "Bulk 2.0"},
	{regexp.MustCompile(`^/services/data/v[\d.]+/composite(/|$)`), "Composite"},
	{regexp.MustCompile(`^/services/data/v[\d.]+/(?i:query|queryall)(/|$)`), "Query"},
	{regexp.MustCompile(`^/services/data/v[\d.]+/tooling(/|$)`), "Tooling"},
	{regexp.MustCompile(`^/services/data(/|$)`), "REST"},
	{regexp.MustCompile(`^/services/async/`), "Bulk 1.0"},
	{regexp.MustCompile(`^/services/oauth2/|^/id/|^/\.well-known/`), "OAuth"},
	{regexp.MustCompile(`^/services/Soap/`), "SOAP"},
	{regexp.MustCompile(`^/cometd(/|$)`), "CometD"},
}

func familyOf(path string) string {
	for _, f := range families {
		if f.at.MatchString(path) {
			return f.name
		}
	}
	return "Other"
}

// clip makes a text from a client safe to keep and to print: bounded, valid, and
// without control characters.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= maxShown {
		return s
	}
	cut := maxShown
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
