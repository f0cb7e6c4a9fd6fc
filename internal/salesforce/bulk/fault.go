package bulk

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// refused turns an unsuccessful answer into an error.
func refused(r request, resp *http.Response, body []byte) error {
	if resp.StatusCode/100 == 3 {
		return &event.Error{Op: r.op, Happened: event.HappenedNo, Healing: event.Transient, Err: errMoved}
	}
	refusal := readRefusal(resp.StatusCode, body)
	happened := event.HappenedNo
	if r.method != http.MethodGet && refusal.Status >= 500 && refusal.Code != "SERVER_UNAVAILABLE" {
		happened = event.HappenedUnknown
	}
	fault := auth.Fault(r.op, happened, refusal)
	fault.After = retryAfter(resp.Header.Get("Retry-After"))
	return fault
}

// readRefusal reads the array of errors that the API answers with, the first of
// which counts; some answers are a single object. Anything else, such as a
// proxy's page, says nothing beyond its status.
func readRefusal(status int, body []byte) *salesforce.APIError {
	type wire struct {
		Message   string `json:"message"`
		ErrorCode string `json:"errorCode"`
	}
	var list []wire
	var one wire
	switch body = bytes.TrimSpace(body); {
	case json.Unmarshal(body, &list) == nil && len(list) > 0:
		one = list[0]
	case json.Unmarshal(body, &one) == nil:
	}
	if one.ErrorCode == "" && one.Message == "" {
		one.Message = http.StatusText(status)
	}
	return &salesforce.APIError{Status: status, Code: one.ErrorCode, Message: one.Message}
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

// jobHealing classifies the errorMessage of a failed job, which begins with one of
// the named errors of the guide.
func jobHealing(message string) event.Healing {
	name, _, _ := strings.Cut(message, ":")
	switch name = strings.TrimSpace(name); {
	case name == "ExceededQuota":
		return event.Throttled
	case name == "Timeout", name == "TooManyLockFailure", strings.Contains(message, "QUERY_TIMEOUT"),
		strings.Contains(message, "UNKNOWN_EXCEPTION"), strings.Contains(message, "SERVER_UNAVAILABLE"):
		return event.Transient
	}
	return event.Permanent
}
