package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// handler answers HTTP requests from an [API].
type handler struct {
	api     API
	ready   func(context.Context) Readiness
	token   secret.String
	maxBody int64
	log     *slog.Logger
}

// routes lays out the paths. Health is open, because platforms that probe it
// carry no token; all else needs the token if there is one.
func (h *handler) routes(metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", h.guard(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"GET " + pathStatus:           h.status,
		"GET " + pathEvents:           h.events,
		"GET " + pathEvents + "/{id}": h.event,
		"GET " + pathDeadLetters:      h.deadLetters,
		"POST " + pathRedrive:         h.redrive,
		"GET " + pathAudit:            h.audit,
		"GET " + pathGaps:             h.gaps,
		"GET " + pathLoad:             func(r *http.Request) (any, error) { return h.api.Load(r.Context()) },
		"GET " + pathAlarms:           func(r *http.Request) (any, error) { return h.api.Alarms(r.Context()) },

		"GET " + pathGaps + "/{number}":           h.gap,
		"POST " + pathGaps + "/{number}/{action}": h.changeGap,
	} {
		mux.Handle(pattern, h.guard(h.answer(serve)))
	}
	mux.Handle("/", h.guard(h.answer(func(r *http.Request) (any, error) {
		return nil, &Error{Kind: ErrNotFound, What: "no such path: " + r.Method + " " + r.URL.Path, Hint: "the API is described in docs/cli-json.md"}
	})))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, h.maxBody))
}

// guard lets through who presents the token. Without a token only this machine
// may ask, and the Host header must say so too: a web page that rebinds its name
// to 127.0.0.1 is sent by the browser of this very machine.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.token.IsZero() {
			if !localHost(r.Host) {
				h.fail(w, r, &Error{Kind: ErrUnauthorized, What: "the Host header does not name this machine", Hint: "ask 127.0.0.1, or set control.token"})
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		scheme, presented, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || !h.token.Equal(strings.TrimSpace(presented)) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="sallyport"`)
			h.fail(w, r, &Error{Kind: ErrUnauthorized, What: "the bearer token is missing or wrong", Hint: "send control.token as Authorization: Bearer ..."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func localHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (h *handler) answer(serve func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := serve(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, body)
	})
}

// fail answers with what went wrong and what to do. The cause of an internal
// error goes to the log, where it can be read beside what led to it.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	refusal := fault("answer the request", err)
	for _, k := range kinds {
		if !errors.Is(refusal.Kind, k.err) {
			continue
		}
		if k.status >= http.StatusInternalServerError && r.Context().Err() == nil {
			h.log.ErrorContext(r.Context(), "operator request failed", "path", r.URL.Path, "err", refusal)
		}
		writeJSON(w, k.status, errorBody{Error: errorDetail{Code: k.code, Message: refusal.Error(), Hint: refusal.Hint}})
		return
	}
}

func (h *handler) readyz(w http.ResponseWriter, r *http.Request) {
	state := h.ready(r.Context())
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, state)
}

func (h *handler) status(r *http.Request) (any, error) { return h.api.Status(r.Context()) }
func (h *handler) audit(r *http.Request) (any, error)  { return h.api.Audit(r.Context()) }

func (h *handler) events(r *http.Request) (any, error) {
	q, err := readQuery(r.URL.Query())
	if err != nil {
		return nil, err
	}
	return h.api.Events(r.Context(), q)
}

func (h *handler) deadLetters(r *http.Request) (any, error) {
	q, err := readQuery(r.URL.Query())
	if err != nil {
		return nil, err
	}
	q.State = "dead"
	return h.api.Events(r.Context(), q)
}

func readQuery(v url.Values) (EventQuery, error) {
	q := EventQuery{Route: v.Get("route"), State: v.Get("state")}
	var err error
	if s := v.Get("before"); s != "" {
		if q.Before, err = strconv.ParseInt(s, 10, 64); err != nil {
			return q, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("before=%.20q is not a number", s), Hint: "use the next of the page before"}
		}
	}
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit == 0 {
			return q, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("limit=%.20q is not a positive number", s), Hint: fmt.Sprintf("use 1 to %d", MaxLimit)}
		}
	}
	return q, nil
}

func (h *handler) event(r *http.Request) (any, error) {
	payload := r.URL.Query().Get("payload")
	if payload != "" && payload != "true" && payload != "false" {
		return nil, &Error{Kind: ErrBadRequest, What: "payload is neither true nor false", Hint: "use payload=true to see it"}
	}
	events, err := h.api.Event(r.Context(), r.PathValue("id"), payload == "true")
	return eventsBody{Events: events}, err
}

func (h *handler) gaps(r *http.Request) (any, error) {
	gaps, err := h.api.Gaps(r.Context(), r.URL.Query().Get("subscription"))
	return gapsBody{Gaps: gaps}, err
}

func (h *handler) gap(r *http.Request) (any, error) {
	number, err := gapNumber(r)
	if err != nil {
		return nil, err
	}
	g, err := h.api.Gap(r.Context(), number)
	return gapBody{Gap: g}, err
}

func (h *handler) changeGap(r *http.Request) (any, error) {
	number, err := gapNumber(r)
	if err != nil {
		return nil, err
	}
	action := GapAction(r.PathValue("action"))
	g, err := h.api.ChangeGap(r.Context(), number, action)
	if err == nil {
		h.log.InfoContext(r.Context(), "gap changed by an operator", "gap", number, "action", string(action), "subscription", g.Subscription)
	}
	return gapBody{Gap: g}, err
}

func gapNumber(r *http.Request) (int64, error) {
	number, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil {
		return 0, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("%.20q is not the number of a gap", r.PathValue("number")), Hint: "see sallyport gaps list"}
	}
	return number, nil
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func (h *handler) redrive(r *http.Request) (any, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &Error{Kind: ErrBadRequest, What: "the body is not announced as application/json", Hint: "set Content-Type: application/json"}
	}
	var body RedriveRequest
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil {
		if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("the body is larger than %d bytes", big.Limit), Hint: "redrive in several requests, or raise control.max_body"}
		}
		return nil, &Error{Kind: ErrBadRequest, What: "the body is not a redrive request", Hint: `send {"ids": ["..."]} or {"all": true}, with "route" if wanted`, Err: err}
	}
	body.By = strings.TrimSpace(body.By + " from " + hostOf(r.RemoteAddr))
	result, err := h.api.Redrive(r.Context(), body)
	if err == nil {
		h.log.InfoContext(r.Context(), "dead letters redriven", "route", body.Route, "selected", len(body.IDs), "all", body.All, "moved", result.Moved)
	}
	return result, err
}
