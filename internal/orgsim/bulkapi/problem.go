package bulkapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// problem is an error answer: a status and the org's array with one entry.
type problem struct {
	status  int
	code    string
	message string
}

func (p *problem) Error() string { return p.code + ": " + p.message }

// Codes of this API beside those of REST.
const (
	codeAPIError = "API_ERROR"
	codeBulk     = "BULK_API_ERROR"
	codeJob      = "INVALIDJOB"
	codeJobState = "INVALIDJOBSTATE"
	codeFeature  = "FEATURENOTENABLED"
	codeLimit    = "LIMIT_EXCEEDED"
)

func badRequest(code, format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func missing() *problem {
	return &problem{http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"}
}

func invalidValue(value, property string) *problem {
	return badRequest(codeAPIError, "Invalid value: '%s' supplied for property: '%s'", value, property)
}

func notAllowed(method string, allowed ...string) *problem {
	return &problem{
		http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
		fmt.Sprintf("HTTP Method '%s' not allowed. Allowed are %s", method, strings.Join(allowed, ",")),
	}
}

// asProblem maps errors of the layers below; what is no refusal is ours.
func asProblem(err error) *problem {
	var p *problem
	var query *soql.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &query):
		return badRequest(query.Code, "%s", query.Message)
	case errors.As(err, &tooLarge):
		return &problem{http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "request body is too large"}
	}
	return &problem{
		http.StatusInternalServerError, "UNKNOWN_EXCEPTION",
		"An unexpected error occurred. Please include this ErrorId if you contact support: 123456-789 (-1234567)",
	}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	type entry struct {
		Code    string `json:"errorCode"`
		Message string `json:"message"`
	}
	writeJSON(w, p.status, []entry{{p.code, p.message}})
}
