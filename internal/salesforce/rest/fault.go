package rest

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

// wireError is one element of an error body. Save results spell the code
// statusCode, all others errorCode.
type wireError struct {
	Message    string   `json:"message"`
	ErrorCode  string   `json:"errorCode"`
	StatusCode string   `json:"statusCode"`
	Fields     []string `json:"fields"`
}

func (w wireError) refusal(status int) *salesforce.APIError {
	code := w.ErrorCode
	if code == "" {
		code = w.StatusCode
	}
	return &salesforce.APIError{Status: status, Code: code, Message: w.Message, Fields: w.Fields}
}

// refused turns an unsuccessful answer into an error.
func refused(r request, a answer) error {
	if a.status/100 == 3 && a.status != http.StatusMultipleChoices {
		return &event.Error{Op: r.op, Happened: event.HappenedNo, Healing: event.Transient, Err: errMoved}
	}
	refusal := readRefusal(a)
	fault := auth.Fault(r.op, happened(r, refusal), refusal)
	fault.After = retryAfter(a.header.Get("Retry-After"))
	return fault
}

func readRefusal(a answer) *salesforce.APIError {
	if a.status == http.StatusMultipleChoices {
		return &salesforce.APIError{
			Status: a.status, Code: salesforce.CodeMultipleMatches, Message: "more than one record has this external Id value",
		}
	}
	if isJSON(a.body) {
		if w, ok := parseErrors(a.body); ok {
			return w.refusal(a.status)
		}
	}
	// userinfo refuses a token with 403 and plain text.
	if text := string(bytes.TrimSpace(a.body)); text == "Bad_OAuth_Token" {
		return &salesforce.APIError{Status: a.status, Code: salesforce.CodeSessionInvalid, Message: text}
	}
	// Anything else, such as the HTML of a proxy or a maintenance page, says
	// nothing beyond its status.
	return &salesforce.APIError{Status: a.status, Message: http.StatusText(a.status)}
}

func isJSON(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 0 && (body[0] == '[' || body[0] == '{')
}

// parseErrors reads the array of errors that the API answers with; the first
// counts. Some endpoints answer with a single object.
func parseErrors(body []byte) (wireError, bool) {
	var list []wireError
	if json.Unmarshal(body, &list) == nil {
		if len(list) == 0 {
			return wireError{}, false
		}
		return list[0], true
	}
	var one wireError
	return one, json.Unmarshal(body, &one) == nil && (one.ErrorCode != "" || one.Message != "")
}

// happened: a refusal by Salesforce itself means that nothing took effect; a
// failure of its machinery or of something in between leaves it open.
func happened(r request, refusal *salesforce.APIError) event.Happened {
	if r.method == http.MethodGet || refusal.Status < 500 || refusal.Code == "SERVER_UNAVAILABLE" {
		return event.HappenedNo
	}
	return event.HappenedUnknown
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

// saveResult is the answer of a create or upsert, and of a published event.
type saveResult struct {
	ID      string      `json:"id"`
	Success bool        `json:"success"`
	Created bool        `json:"created"`
	Errors  []wireError `json:"errors"`
}

// err returns why the save failed, nil if it did not. A published event is a
// success that carries a one-element error list.
func (s saveResult) err(op string, status int) error {
	if s.Success {
		return nil
	}
	refusal := &salesforce.APIError{Status: status, Message: "the save was refused without a reason"}
	if len(s.Errors) > 0 {
		refusal = s.Errors[0].refusal(http.StatusBadRequest)
	}
	return auth.Fault(op, event.HappenedNo, refusal)
}
