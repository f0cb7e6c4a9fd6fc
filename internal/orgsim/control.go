package orgsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/cometd"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/pubsubapi"
)

// maxControlBody bounds a control request: a batch of events to publish.
const maxControlBody = 16 << 20

// controlHandler serves the control API.
func (o *Org) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/{$}", o.serveAbout)
	mux.HandleFunc("GET /_sim/stats", o.serveStats)
	mux.Handle("GET /_sim/requests", o.requests.Handler())
	mux.HandleFunc("POST /_sim/snapshot", o.serveSnapshot)
	mux.HandleFunc("POST /_sim/restore", o.serveRestore)
	mux.HandleFunc("POST /_sim/load", o.serveLoad)
	mux.HandleFunc("POST /_sim/generate", o.serveGenerate)
	o.pageRoutes(mux)
	mux.HandleFunc("GET /_sim/clock", o.serveClock)
	mux.HandleFunc("POST /_sim/clock", o.serveMoveClock)
	faults := o.faults.Handler()
	mux.Handle("/_sim/faults", http.StripPrefix("/_sim/faults", rooted(faults)))
	mux.Handle("/_sim/faults/", http.StripPrefix("/_sim/faults", faults))
	mux.HandleFunc("POST /_sim/tokens/revoke", o.serveRevoke)
	mux.HandleFunc("POST /_sim/streams/reset", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int{"connections": o.ResetStreams()})
	})
	mux.HandleFunc("POST /_sim/publish", o.servePublish)
	mux.HandleFunc("GET /_sim/published", o.servePublished)
	mux.HandleFunc("GET /_sim/managed", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, o.bus.ManagedSubscriptions())
	})
	mux.HandleFunc("POST /_sim/managed", o.serveDeclareManaged)
	o.controlEvents(mux)
	o.mountApex(mux)
	return mux
}

// rooted gives a stripped path its slash back.
func rooted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/"
		next.ServeHTTP(w, r)
	})
}

// About is what an org says of itself to tools.
type About struct {
	URL           string   `json:"url"`
	OrgID         string   `json:"orgId"`
	PubSubAddr    string   `json:"pubSubAddr,omitempty"`
	PubSubTLSAddr string   `json:"pubSubTlsAddr,omitempty"`
	CACertPEM     string   `json:"caCertPem,omitempty"`
	Clock         string   `json:"clock"`
	Topics        []string `json:"topics"`
}

// serveAbout shows a person the state page and tells a program what there is.
func (o *Org) serveAbout(w http.ResponseWriter, r *http.Request) {
	if wantsPage(r) {
		o.servePage(w, r, http.StatusOK, "")
		return
	}
	about := About{
		URL: o.url, OrgID: string(o.cfg.OrgID), PubSubAddr: o.PubSubAddr(), PubSubTLSAddr: o.PubSubTLSAddr(),
		CACertPEM: string(o.CACertPEM()), Clock: o.now(),
	}
	for _, t := range o.bus.Topics() {
		about.Topics = append(about.Topics, t.Name)
	}
	writeJSON(w, http.StatusOK, about)
}

func (o *Org) now() string { return o.cfg.Clock.Now().UTC().Format(time.RFC3339Nano) }

// Stats are the org's counters.
type Stats struct {
	PubSub       pubsubapi.Stats `json:"pubsub"`
	CometD       cometd.Stats    `json:"cometd"`
	RESTRequests int64           `json:"restRequests"`
	// Published counts the events of each topic, duplicates left out.
	Published map[string]int `json:"published"`
	Faults    []fault.State  `json:"faults"`
}

// Stats returns the org's counters.
func (o *Org) Stats() Stats {
	s := Stats{
		PubSub: o.pubsub.Stats(), CometD: o.cometd.Stats(), RESTRequests: o.rest.RequestsUsed(), Published: make(map[string]int), Faults: o.faults.List(),
	}
	for _, t := range o.bus.Topics() {
		s.Published[t.Name] = o.bus.PublishedCount(t.Name)
	}
	return s
}

func (o *Org) serveStats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, o.Stats())
}

func (o *Org) serveClock(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"now": o.now()})
}

func (o *Org) serveMoveClock(w http.ResponseWriter, r *http.Request) {
	var move struct {
		Advance fault.Duration `json:"advance"`
		Set     time.Time      `json:"set"`
	}
	if !read(w, r, &move) {
		return
	}
	if !move.Set.IsZero() {
		o.cfg.Clock.Set(move.Set)
	}
	o.cfg.Clock.Advance(time.Duration(move.Advance))
	o.serveClock(w, r)
}

func (o *Org) serveRevoke(w http.ResponseWriter, r *http.Request) {
	var which struct {
		Token string `json:"token"` // empty means all
	}
	if !read(w, r, &which) {
		return
	}
	revoked := 0
	switch {
	case which.Token == "":
		revoked = o.RevokeTokens()
	case o.sessions.Revoke(which.Token):
		revoked = 1
	}
	writeJSON(w, http.StatusOK, map[string]int{"revoked": revoked})
}

func (o *Org) servePublish(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Event  string           `json:"event"`  // "Order_Event__e"
		Fields map[string]any   `json:"fields"` // one event, or
		Events []map[string]any `json:"events"` // several
	}
	if !read(w, r, &request) {
		return
	}
	if request.Fields != nil || len(request.Events) == 0 {
		request.Events = append(request.Events, request.Fields)
	}
	ids := make([]string, 0, len(request.Events))
	for i, fields := range request.Events {
		id, err := o.Publish(request.Event, fields)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": fmt.Sprintf("event %d: %v", i, err), "ids": ids})
			return
		}
		ids = append(ids, id)
	}
	writeJSON(w, http.StatusCreated, map[string]any{"ids": ids})
}

func (o *Org) servePublished(w http.ResponseWriter, r *http.Request) {
	topic := r.URL.Query().Get("topic")
	if _, ok := o.bus.Topic(topic); !ok {
		writeJSON(w, http.StatusNotFound, problem("no such topic"))
		return
	}
	ids := o.bus.Published(topic)
	writeJSON(w, http.StatusOK, map[string]any{"topic": topic, "count": len(ids), "ids": ids})
}

func (o *Org) serveDeclareManaged(w http.ResponseWriter, r *http.Request) {
	var s bus.ManagedSubscription
	if !read(w, r, &s) {
		return
	}
	declared, err := o.bus.DeclareManaged(s)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	writeJSON(w, http.StatusCreated, declared)
}

// read decodes a request; an empty body is an empty object.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if r.ContentLength == 0 {
		return true
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		writeJSON(w, http.StatusBadRequest, problem("read request: "+err.Error()))
		return false
	}
	return true
}
