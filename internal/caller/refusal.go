package caller

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// refusal is why a request is not passed on.
type refusal struct {
	status int
	// code is the reason in metrics and in the answer.
	code   string
	detail string
	try    string
	wait   time.Duration
	// why is for the log only: which part was wrong. Never what was presented.
	why string
	// who is the caller that the request named, for the log, if there is one.
	who string
	// failed counts against the address: a guess may be behind it.
	failed bool
}

func (f *refusal) named(name string) *refusal {
	f.who = name
	return f
}

// unauthenticated looks the same to the caller whatever why is.
func unauthenticated(why string) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, code: "unauthenticated", failed: true, why: why,
		detail: "The credentials are not valid.",
		try:    "Check the External Credential (or token, password, key, certificate) against the gateway's callers; the gateway's log has the reason.",
	}
}

func missing() *refusal {
	f := unauthenticated("no credentials")
	f.detail = "The request carries no credentials."
	f.try = "Send those of a caller of the gateway; from Salesforce, call through the Named Credential."
	return f
}

// expired is a token that was ours and valid; its holder has only to fetch another.
func expired(name string) *refusal {
	f := unauthenticated("a token that has expired").named(name)
	f.failed = false
	return f
}

func forbidden(route string) *refusal {
	return &refusal{
		status: http.StatusForbidden, code: "forbidden", why: "a route that is not the caller's",
		detail: fmt.Sprintf("The caller may not use the route %.64q.", route),
		try:    "Add the caller to the route's callers in the gateway's configuration.",
	}
}

func tooManyRequests(wait time.Duration) *refusal {
	return &refusal{
		status: http.StatusTooManyRequests, code: "rate_exceeded", wait: wait, why: "the caller's rate",
		detail: "The caller makes more requests than it may.",
		try:    "Wait as long as Retry-After says, send several events in one request with /batch, or raise the caller's rate.",
	}
}

func tooManyFailures(wait time.Duration) *refusal {
	return &refusal{
		status: http.StatusTooManyRequests, code: "too_many_failures", wait: wait,
		detail: "Too many requests from this address were refused.",
		try:    "Wait as long as Retry-After says, and correct the credentials.",
	}
}

func tooLarge(limit int64) *refusal {
	return &refusal{
		status: http.StatusRequestEntityTooLarge, code: "too_large", why: "the size of a signed body",
		detail: fmt.Sprintf("The body is larger than %d bytes.", limit),
		try:    "Send less at once, or raise listen.max_body.",
	}
}

func unreadable() *refusal {
	return &refusal{
		status: http.StatusBadRequest, code: "bad_request", why: "a body that ended early",
		detail: "The body could not be read to its end.", try: "Send the request again.",
	}
}

// problem is the answer (RFC 9457), in the form that callouts are refused in:
// with a code to branch on, whether it happened, whether a repeat may succeed, and
// the next step.
type problem struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Code       string `json:"code"`
	Happened   string `json:"happened"`
	Retry      bool   `json:"retry"`
	RetryAfter int    `json:"retry_after,omitempty"`
	NextStep   string `json:"next_step"`
}

// refuse answers a request that is not passed on. Too many failures turn the
// answer into a wait.
func (s *Callers) refuse(w http.ResponseWriter, r *http.Request, who Caller, f *refusal) {
	s.note(r, who, f)
	if f.failed {
		if wait := s.failures.wait(r); wait > 0 {
			f = tooManyFailures(wait)
		}
	}
	s.deps.Metrics.refused(f.code)
	h := w.Header()
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="sallyport"`)
	}
	body := problem{
		Type: "about:blank", Title: http.StatusText(f.status), Status: f.status, Detail: f.detail, Code: f.code,
		Happened: event.HappenedNo.String(), Retry: f.wait > 0 || f.status == http.StatusBadRequest, NextStep: f.try,
	}
	if f.wait > 0 {
		body.RetryAfter = seconds(f.wait)
		h.Set("Retry-After", strconv.Itoa(body.RetryAfter))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Sallyport-Error", f.code)
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(body) // the caller may be gone
}
