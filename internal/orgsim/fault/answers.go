package fault

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
)

const dataPrefix = "/services/data/"

// answer is what one fault says in REST's error form, and where it can strike.
type answer struct {
	name          Name
	status        int
	code, message string
	at            func(*http.Request) bool
}

// locatorPath is a further page of a query.
var locatorPath = regexp.MustCompile(`^/services/data/v\d+\.\d/(?i:query|queryall)/[^/]+/?$`)

// firstPage is the beginning of a query.
var firstPage = regexp.MustCompile(`^/services/data/v\d+\.\d/(?i:query|queryall)/?$`)

func anywhere(*http.Request) bool    { return true }
func atLocator(r *http.Request) bool { return locatorPath.MatchString(r.URL.Path) }
func isQuery(r *http.Request) bool   { return firstPage.MatchString(r.URL.Path) || atLocator(r) }
func atPublish(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(objectOf(r.URL.Path), "__e")
}
func underData(path string) bool { return strings.HasPrefix(path, dataPrefix) }

// answers are the REST errors in the platform's words. Statuses and texts that the
// vendor does not document can be replaced in the fault.
func answers() []answer {
	return []answer{
		{SessionUnusable, http.StatusUnauthorized, "INVALID_SESSION_ID", "This session is not valid for use with the REST API", anywhere},
		{DailyLimit, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", anywhere},
		{ConcurrentLimit, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", anywhere},
		{ServerError, http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: 123456-789 (-1234567)", anywhere},
		{ServerBusy, http.StatusServiceUnavailable, "SERVER_UNAVAILABLE", "Server Unavailable", anywhere},
		{QueryTimeout, http.StatusBadRequest, "QUERY_TIMEOUT", "Your query request was running for too long.", isQuery},
		{LocatorExpired, http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator", atLocator},
		{PublishUnavailable, http.StatusServiceUnavailable, "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", "The platform event could not be published", atPublish},
		{APIError, 0, "", "", anywhere},
	}
}

// refuseCall answers a REST call with the first of the [answers] that strikes.
func (h *httpFaults) refuseCall(w http.ResponseWriter, r *http.Request, p Point) bool {
	if !underData(r.URL.Path) {
		return false
	}
	for _, a := range answers() {
		if !a.at(r) {
			continue
		}
		if f, ok := h.board.Take(a.name, p); ok {
			h.commitFirst(f, r)
			h.writeAnswer(w, a, f)
			return true
		}
	}
	return false
}

func (h *httpFaults) writeAnswer(w http.ResponseWriter, a answer, f Fault) {
	if a.name == DailyLimit && h.around.DailyRequests > 0 {
		w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", h.around.DailyRequests, h.around.DailyRequests))
	}
	status := cmp.Or(f.HTTPStatus, a.status)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Token")
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	body, err := json.Marshal([]apiError{{cmp.Or(f.Message, a.message), cmp.Or(f.Code, a.code)}})
	if err == nil {
		_, _ = w.Write(body) // the client may be gone
	}
}

// apiError is REST's error object, keys in the org's order.
type apiError struct {
	Message   string `json:"message"`
	ErrorCode string `json:"errorCode"`
}

// page is the kind of answer that an edge server in front of the org gives: HTML,
// whatever the client asked for.
const page = `<!DOCTYPE html>
<html><head><title>%s</title></head>
<body><h1>%s</h1><p>%s</p></body></html>
`

func writeUnavailable(w http.ResponseWriter, f Fault) {
	status := cmp.Or(f.HTTPStatus, http.StatusServiceUnavailable)
	title, head, text := "Service Not Available", "We are down for maintenance.", "Sorry for the inconvenience. We'll be back shortly."
	switch status {
	case http.StatusServiceUnavailable:
	case statusOrgGone:
		title, head, text = "420", "Organization not found", "The organization has expired, was deleted, or could not be reached."
	default:
		title, head, text = http.StatusText(status), fmt.Sprintf("%d %s", status, http.StatusText(status)), "The server could not complete the request."
	}
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, page, title, head, html.EscapeString(cmp.Or(f.Message, text))) // the client may be gone
}

// statusOrgGone is what the platform answers for an org that is deleted or cannot
// be routed to.
const statusOrgGone = 420
