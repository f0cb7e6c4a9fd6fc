package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

var (
	// errMoved is a redirect: the org lives on another instance now.
	errMoved = errors.New("the instance redirects: the org has moved")
	// errTooLarge is an answer beyond MaxBody.
	errTooLarge = errors.New("the answer is larger than the limit")
)

// WireError is one element of an error body. Save results spell the code
// statusCode, all others errorCode.
type WireError struct {
	Message    string   `json:"message"`
	ErrorCode  string   `json:"errorCode"`
	StatusCode string   `json:"statusCode"`
	Fields     []string `json:"fields"`
}

// Code is the error's code, however it was spelled.
func (w WireError) Code() string { return orElse(w.ErrorCode, w.StatusCode) }

// Refusal is the error as one of an answer with a status.
func (w WireError) Refusal(status int) *salesforce.APIError {
	return &salesforce.APIError{Status: status, Code: w.Code(), Message: w.Message, Fields: w.Fields}
}

// refused turns an unsuccessful answer into an error.
func (c *Client) refused(r Request, resp *http.Response, body []byte) error {
	if resp.StatusCode/100 == 3 && resp.StatusCode != http.StatusMultipleChoices {
		return &event.Error{Op: r.Op, Happened: event.HappenedNo, Healing: event.Transient, Err: errMoved}
	}
	refusal := ReadRefusal(resp.StatusCode, body)
	if c.cfg.SpentFunc != nil && refusal.DailyLimit() {
		c.cfg.SpentFunc()
	}
	fault := auth.Fault(r.Op, happened(r, refusal), refusal)
	fault.After = retryAfter(resp.Header.Get("Retry-After"))
	return fault
}

// ReadRefusal reads the body of an unsuccessful answer: the array of errors that
// the API answers with, the first of which counts; a single object from some
// endpoints; else nothing beyond the status.
func ReadRefusal(status int, body []byte) *salesforce.APIError {
	if status == http.StatusMultipleChoices {
		return &salesforce.APIError{
			Status: status, Code: salesforce.CodeMultipleMatches, Message: "more than one record has this external Id value",
		}
	}
	if w, ok := parseErrors(body); ok {
		return w.Refusal(status)
	}
	// userinfo refuses a token with 403 and plain text.
	if text := string(bytes.TrimSpace(body)); text == "Bad_OAuth_Token" {
		return &salesforce.APIError{Status: status, Code: salesforce.CodeSessionInvalid, Message: text}
	}
	// Anything else, such as the HTML of a proxy or a maintenance page, says
	// nothing beyond its status.
	return &salesforce.APIError{Status: status, Message: http.StatusText(status)}
}

func parseErrors(body []byte) (one WireError, ok bool) {
	var list []WireError
	if json.Unmarshal(body, &list) == nil {
		if len(list) == 0 {
			return WireError{}, false
		}
		return list[0], true
	}
	return one, json.Unmarshal(body, &one) == nil && (one.ErrorCode != "" || one.Message != "")
}

// happened: a refusal by Salesforce itself means that nothing took effect; a
// failure of its machinery or of something in between leaves it open.
func happened(r Request, refusal *salesforce.APIError) event.Happened {
	if r.Method == http.MethodGet || refusal.Status < 500 || refusal.Code == "SERVER_UNAVAILABLE" {
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

// broken describes a request that got no whole answer. A write may have happened.
func broken(ctx context.Context, r Request, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	// The URL in the error would carry a query, an external Id or a locator: data.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &event.Error{Op: r.Op, Happened: event.HappenedUnknown, Healing: event.Transient, Err: err}
	if r.Method == http.MethodGet {
		e.Happened = event.HappenedNo
	}
	if errors.Is(err, errTooLarge) {
		e.Healing = event.Permanent
	}
	return e
}
