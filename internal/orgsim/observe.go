package orgsim

import (
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
	"github.com/sallyport-dev/sallyport/internal/orgsim/pubsubapi"
)

// observed writes what clients ask over HTTP to the request log. The control API
// is not of the org and not logged.
func (o *Org) observed(next http.Handler) http.Handler {
	observer := &page.Observer{Log: o.requests, Now: o.cfg.Clock.Now, App: o.appOf}
	return observer.Middleware(next)
}

// appOf names the connected app of a session, without prolonging it.
func (o *Org) appOf(token string) string {
	s, ok := o.sessions.Peek(token)
	if !ok {
		return ""
	}
	return s.App
}

// observeCall writes a Pub/Sub call to the request log, a stream when it opens too.
func (o *Org) observeCall(c pubsubapi.Call) {
	entry := page.Request{
		Time: c.At, Client: c.Client, App: o.appOf(c.Token), Method: "RPC", Path: c.Method, Family: "Pub/Sub",
		Status: c.Code.String(), Failed: c.Code != codes.OK && c.Code != codes.Canceled, Micros: c.Took.Microseconds(),
	}
	if c.Open {
		entry.Status = "open"
	}
	o.requests.Add(entry.Clean())
}

// Requests returns the log of what clients asked.
func (o *Org) Requests() *page.Log { return o.requests }

// wantsPage says that the caller is a browser.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }
