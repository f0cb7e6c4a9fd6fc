package orgsim

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/cometd"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

const (
	dataPath    = "/services/data"
	controlPath = "/_sim/"
)

// handler serves everything on the org's HTTP port. Paths are not cleaned, as
// net/http's mux would by a redirect: one doubled slash at the front is common
// and means nothing, any other is part of the path.
func (o *Org) handler() http.Handler {
	login := o.sessions.Handler()
	control := o.onlyLocal(o.controlHandler())
	around := fault.Around{
		Revoke: func(token string) { o.sessions.Revoke(token) }, DailyRequests: o.cfg.DailyRequests, InstanceURL: o.url,
	}
	faulty := o.observed(o.faults.MiddlewareIn(around, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case cometd.Serves(path):
			o.cometd.ServeHTTP(w, r)
		case bulkapi.Serves(path):
			o.bulk.ServeHTTP(w, r)
		case bulkapi.ServesClassic(path):
			o.bulk.ServeClassic(w, r)
		case path == dataPath, strings.HasPrefix(path, dataPath+"/"):
			o.events.ServeHTTP(w, r) // and what it does not know, REST
		default:
			login.ServeHTTP(w, r)
		}
	})))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.calls.Add(1)
		defer o.calls.Done()
		if strings.HasPrefix(r.URL.Path, "//") {
			r.URL.Path = r.URL.Path[1:]
			r.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, "/")
		}
		if strings.HasPrefix(r.URL.Path, controlPath) {
			control.ServeHTTP(w, r)
			return
		}
		faulty.ServeHTTP(w, r)
	})
}

// onlyLocal refuses callers from other machines, and pages in a browser that reach
// for the simulator, by another origin or by a name of their own for this machine:
// the control API has no login.
func (o *Org) onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(hostOnly(r.RemoteAddr)) || !o.isOwnHost(r.Host) || !sameOrigin(r) {
			writeJSON(w, http.StatusForbidden, problem("the control API answers local programs only"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isOwnHost says that a request was meant for this machine, or for the name that
// the org was given.
func (o *Org) isOwnHost(host string) bool {
	name := hostOnly(host)
	return isLoopback(name) || strings.EqualFold(name, "localhost") || strings.EqualFold(host, hostOf(o.url))
}

// sameOrigin lets programs pass, which send no Origin, and the org's own page.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}

func problem(text string) map[string]string { return map[string]string{"error": text} }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
