package record

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// Error is a refusal in the org's own words: its error code, message and the
// fields it blames. It is a verdict on the request; nothing was written.
type Error struct {
	Code    string
	Message string
	Fields  []string
	// More are further refusals of the same record: several validation rules may
	// refuse it at once.
	More []*Error
	// Duplicates is what a duplicate rule found, nil for other codes.
	Duplicates *Duplicates

	noRecord bool
}

// ErrNoRecord is what errors.Is finds in a refusal because the record to change
// does not exist, as against one that names a parent that does not.
var ErrNoRecord = errors.New("no such record")

// Is makes [ErrNoRecord] recognisable.
func (e *Error) Is(target error) bool { return target == ErrNoRecord && e.noRecord }

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The error codes that callers branch on.
const (
	CodeNotFound       = "NOT_FOUND"
	CodeDeleted        = "ENTITY_IS_DELETED"
	CodeCrossReference = "INVALID_CROSS_REFERENCE_KEY"
	CodeInvalidField   = "INVALID_FIELD"
	CodeMalformedID    = "MALFORMED_ID"
)

func refuse(code string, fields []string, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Fields: fields}
}

func noSuchColumn(o *schema.Object, name string) *Error {
	return refuse(CodeInvalidField, nil, "No such column '%s' on sobject of type %s", name, o.Name)
}

func notFound() *Error {
	return refuse(CodeNotFound, nil, "The requested resource does not exist")
}

func deleted() *Error {
	return refuse(CodeDeleted, []string{}, "entity is deleted")
}

func invalidCrossReference() *Error {
	return refuse(CodeCrossReference, []string{}, "invalid cross reference id")
}

func requiredMissing(fields []string) *Error {
	return refuse("REQUIRED_FIELD_MISSING", fields, "Required fields are missing: [%s]", strings.Join(fields, ", "))
}

func notWritable(fields []string) *Error {
	return refuse("INVALID_FIELD_FOR_INSERT_UPDATE", fields, "Unable to create/update fields: %s. Please check the security "+
		"settings of this field and verify that it is read/write for your profile or permission set.", strings.Join(fields, ", "))
}

func wrongType(f *schema.Field, value any) *Error {
	return refuse("INVALID_TYPE_ON_FIELD_IN_RECORD", []string{f.Name}, "%s: value not of required type: %v", f.Label, value)
}

func malformedID(f *schema.Field, value any) *Error {
	return refuse(CodeMalformedID, []string{f.Name}, "%s: id value of incorrect type: %v", f.Label, value)
}

func noRecord() *Error {
	e := invalidCrossReference()
	e.noRecord = true
	return e
}
