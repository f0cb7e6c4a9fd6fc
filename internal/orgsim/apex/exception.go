package apex

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// Exception is what ended a transaction, in the words of Apex.
type Exception struct {
	Type    string `json:"type"` // System.LimitException
	Message string `json:"message"`
	// Catchable is false for what no catch block sees: broken limits, failed assertions.
	Catchable bool `json:"catchable"`
	// Line is the step's line in the script and Step the way to it.
	Line int    `json:"line,omitempty"`
	Step string `json:"step,omitempty"`

	cause error
}

// Error returns type and message, as a stack trace begins.
func (e *Exception) Error() string { return e.Type + ": " + e.Message }

// Unwrap returns what the simulator met, if it was not the script's doing.
func (e *Exception) Unwrap() error { return e.cause }

// The exception types that the simulator throws.
const (
	limitException    = "System.LimitException"
	calloutException  = "System.CalloutException"
	dmlException      = "System.DmlException"
	queryException    = "System.QueryException"
	asyncException    = "System.AsyncException"
	duplicateMessage  = "System.DuplicateMessageException"
	nullPointer       = "System.NullPointerException"
	listException     = "System.ListException"
	assertException   = "System.AssertException"
	typeException     = "System.TypeException"
	sObjectException  = "System.SObjectException"
	unexpected        = "System.UnexpectedException"
	scriptError       = "ScriptError" // none of Apex: the script itself is wrong
	uncommittedWork   = "You have uncommitted work pending. Please commit or rollback before calling out"
	calloutTimeIsUsed = "Exceeded maximum time allotted for callout (%d ms)"
)

func throw(kind, format string, args ...any) *Exception {
	return &Exception{Type: kind, Message: fmt.Sprintf(format, args...), Catchable: true}
}

// exceeded is a broken governor limit: "Too many callouts: 101".
func exceeded(format string, args ...any) *Exception {
	e := throw(limitException, format, args...)
	e.Catchable = false
	return e
}

// badScript says that the script cannot be meant so. It is not caught, or a
// mistake would pass for the failure that a catch block waits for.
func badScript(format string, args ...any) *Exception {
	e := throw(scriptError, format, args...)
	e.Catchable = false
	return e
}

// asException makes any error an exception; what the simulator itself failed at is
// uncatchable.
func asException(err error) *Exception {
	if e, ok := errors.AsType[*Exception](err); ok {
		return e
	}
	return &Exception{Type: unexpected, Message: err.Error(), cause: err}
}

// matches says that a catch block for the type catches e.
func (e *Exception) matches(kind string) bool {
	if !e.Catchable {
		return false
	}
	kind = strings.TrimPrefix(kind, "System.")
	return kind == "" || kind == "Exception" || kind == strings.TrimPrefix(e.Type, "System.")
}

// problem is one entry of a SaveResult's errors.
type problem struct {
	code, message string
	fields        []string
}

func (p *problem) value() map[string]any {
	fields := make([]any, len(p.fields))
	for i, f := range p.fields {
		fields[i] = f
	}
	return map[string]any{"statusCode": p.code, "message": p.message, "fields": fields}
}

// refusal is what the engine has against a row; ok is false when the engine failed.
func refusal(err error) (p *problem, ok bool) {
	if refused, is := errors.AsType[*record.Error](err); is {
		return &problem{code: refused.Code, message: refused.Message, fields: refused.Fields}, true
	}
	if several, is := errors.AsType[*record.AmbiguousError](err); is {
		_, text, _ := strings.Cut(several.Error(), ": ")
		return &problem{code: "DUPLICATE_EXTERNAL_ID", message: text}, true
	}
	return nil, false
}

// queryProblem is a refused statement as a QueryException.
func queryProblem(err error) error {
	if refused, ok := errors.AsType[*soql.Error](err); ok {
		return throw(queryException, "%s", refused.Message)
	}
	return err
}
