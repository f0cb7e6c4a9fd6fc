package intake

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// The places that are served.
const (
	calloutsPath = "/callouts/"
	eventsPath   = "/events/"
	healthPath   = "/healthz"
)

// door lets requests in, counts those in hand and finds their route.
type door struct {
	cfg      Config
	callouts map[string]*place
	events   map[string]*place
	inner    http.Handler // behind the authentication

	held     atomic.Int64
	draining atomic.Bool
	empty    chan struct{} // closed when draining and nothing is in hand
	emptied  atomic.Bool
}

// place is a route with what its requests need.
type place struct {
	Route
	pass []string // headers passed on, canonical
}

func newDoor(cfg Config, routes []Route) *door {
	d := &door{cfg: cfg, callouts: map[string]*place{}, events: map[string]*place{}, empty: make(chan struct{})}
	for _, r := range routes {
		p := &place{Route: r, pass: passedHeaders(r.Headers)}
		if r.Events {
			d.events[r.Name] = p
		} else {
			d.callouts[r.Name] = p
		}
	}
	d.inner = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if beside := besides(cfg.Beside).find(r.URL.EscapedPath(), false); beside != nil {
			beside.ServeHTTP(w, r)
			return
		}
		d.find(w, r)
	})
	if cfg.Authenticate != nil {
		d.inner = cfg.Authenticate(d.inner)
	}
	return d
}

// ServeHTTP counts the request and passes it on, unless there are too many or
// the gateway stops.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == healthPath {
		d.health(w)
		return
	}
	held := d.held.Add(1)
	defer d.leave()
	switch {
	case d.draining.Load():
		w.Header().Set("Connection", "close")
		writeProblem(w, &callout.Problem{
			Status: 503, Code: callout.CodeStopping, What: "the gateway is stopping", Happened: event.HappenedNo, Retry: true, After: time.Second,
			Next: "try again: another process, or this one after its restart, takes it",
		})
	case held > int64(d.cfg.MaxInFlight):
		writeProblem(w, &callout.Problem{
			Status: 503, Code: callout.CodeOverloaded, What: "the gateway has as many requests in hand as it takes", Happened: event.HappenedNo, Retry: true,
			After: time.Second, Next: "try again after Retry-After",
		})
	default:
		if open := besides(d.cfg.Beside).find(r.URL.EscapedPath(), true); open != nil {
			open.ServeHTTP(w, r)
			return
		}
		d.inner.ServeHTTP(w, r)
	}
}

func (d *door) leave() {
	if d.held.Add(-1) == 0 && d.draining.Load() && d.emptied.CompareAndSwap(false, true) {
		close(d.empty)
	}
}

// drain refuses what comes from now on, lets those who wait for durable events
// go, and returns a channel that closes when nothing is in hand.
func (d *door) drain() <-chan struct{} {
	d.draining.Store(true)
	for _, all := range []map[string]*place{d.callouts, d.events} {
		for _, p := range all {
			if p.Acceptor != nil {
				p.Acceptor.Drain()
			}
		}
	}
	d.held.Add(1)
	d.leave() // in case nothing is in hand already
	return d.empty
}

func (d *door) inHand() int64 { return d.held.Load() }

// health is for the router in front: 200 while requests are taken.
func (d *door) health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if d.draining.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("stopping\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// find finds the route of a request. The path is taken as it was sent: decoding
// it first would let an encoded slash move a request to another place.
func (d *door) find(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	path := r.URL.EscapedPath()
	routes, rest := d.callouts, ""
	if below, ok := strings.CutPrefix(path, calloutsPath); ok {
		rest = below
	} else if below, ok := strings.CutPrefix(path, eventsPath); ok {
		routes, rest = d.events, below
	} else {
		writeProblem(w, noRoute())
		return
	}
	name, below := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		name, below = rest[:i], rest[i:]
	}
	p, ok := routes[name]
	if !ok {
		writeProblem(w, noRoute())
		return
	}
	in := &request{Request: r, w: w, received: received, below: below, door: d}
	answer, problem := p.serve(in)
	if problem != nil {
		d.report(p, problem)
		writeProblem(w, problem)
		return
	}
	writeAnswer(w, r, &answer)
}

// report logs what an operator must see: failures that are ours.
func (d *door) report(p *place, problem *callout.Problem) {
	if problem.Code == callout.CodeStore || problem.Code == callout.CodeInternal {
		d.cfg.Log.Error("callout failed", "component", "callouts", "route", p.Name, "code", problem.Code, "err", problem.Err)
	}
}

func noRoute() *callout.Problem {
	return &callout.Problem{
		Status: 404, Code: callout.CodeNotFound, What: "no route is called there", Happened: event.HappenedNo,
		Next: "call /callouts/<route>, or post the application's events to /events/<route>, with a route of the gateway's configuration",
	}
}
