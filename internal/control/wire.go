package control

import (
	"encoding/json"
	"net/http"
)

// The paths of the API, shared by the server and the client.
const (
	pathStatus      = "/api/v1/status"
	pathEvents      = "/api/v1/events"
	pathDeadLetters = "/api/v1/deadletters"
	pathRedrive     = "/api/v1/deadletters/redrive"
	pathAudit       = "/api/v1/audit"
	pathGaps        = "/api/v1/gaps"
	pathAlarms      = "/api/v1/alarms"
	pathLoad        = "/api/v1/load"
)

// eventsBody, gapBody, gapsBody and errorBody wrap answers in an object, so that fields
// can be added later without breaking readers.
type (
	eventsBody struct {
		Events []Event `json:"events"`
	}
	gapBody struct {
		Gap Gap `json:"gap"`
	}
	gapsBody struct {
		Gaps []Gap `json:"gaps"`
	}
	errorBody struct {
		Error errorDetail `json:"error"`
	}
	errorDetail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
)

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	// The caller is gone if this fails; there is nobody left to tell.
	_ = enc.Encode(body)
}
