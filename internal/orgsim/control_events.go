package orgsim

import (
	"errors"
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// controlEvents adds what shapes the event bus to the control API.
func (o *Org) controlEvents(mux *http.ServeMux) {
	mux.HandleFunc("POST /_sim/gap", o.serveGap)
	mux.HandleFunc("POST /_sim/org/move", o.serveMove)
	mux.HandleFunc("GET /_sim/allocations", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, o.bus.Allocations())
	})
	mux.HandleFunc("POST /_sim/allocations/reset", func(w http.ResponseWriter, _ *http.Request) {
		o.bus.ResetAllocations()
		writeJSON(w, http.StatusOK, o.bus.Allocations())
	})
	mux.HandleFunc("POST /_sim/push", o.servePush)
	declare(mux, "/_sim/pushtopics", o.bus.PushTopics, o.bus.DeclarePushTopic)
	declare(mux, "/_sim/streaming-channels", o.bus.Generic, o.bus.DeclareGeneric)
	declare(mux, "/_sim/channels", o.bus.Channels, o.bus.DeclareChannel)
	declare(mux, "/_sim/channel-members", o.bus.Members, o.bus.DeclareMember)
}

// declare serves a list of things on the bus, and the making of one.
func declare[T any](mux *http.ServeMux, path string, list func() []T, make func(T) (T, error)) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, list()) })
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var v T
		if !read(w, r, &v) {
			return
		}
		made, err := make(v)
		if err != nil {
			writeJSON(w, statusOf(err), problem(err.Error()))
			return
		}
		writeJSON(w, http.StatusCreated, made)
	})
}

// statusOf tells a request that the org refuses from a failure of the org.
func statusOf(err error) int {
	var refused *record.Error
	if errors.As(err, &refused) {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func (o *Org) serveGap(w http.ResponseWriter, r *http.Request) {
	var g bus.Gap
	if !read(w, r, &g) {
		return
	}
	if err := o.bus.AddGap(g); err != nil {
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	writeJSON(w, http.StatusCreated, g)
}

func (o *Org) serveMove(w http.ResponseWriter, r *http.Request) {
	var move struct {
		DropEvents bool `json:"dropEvents"`
	}
	if !read(w, r, &move) {
		return
	}
	if err := o.Move(move.DropEvents); err != nil {
		writeJSON(w, http.StatusInternalServerError, problem(err.Error()))
		return
	}
	writeJSON(w, http.StatusOK, move)
}

func (o *Org) servePush(w http.ResponseWriter, r *http.Request) {
	var push struct {
		Channel string             `json:"channel"`
		Events  []bus.GenericEvent `json:"events"`
	}
	if !read(w, r, &push) {
		return
	}
	fanout, err := o.bus.Push(push.Channel, push.Events...)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	writeJSON(w, http.StatusCreated, map[string]int{"fanoutCount": fanout})
}
