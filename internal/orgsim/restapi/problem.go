package restapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// problem is an error answer: a status and the org's array with one entry.
type problem struct {
	status  int
	code    string
	message string
	// fields is absent from the body when nil and [] when empty: save errors have
	// the key, routing errors do not.
	fields []string
	// paths is the body of a 300: the records that an external Id value matches.
	paths []string
	// whole replaces the array where a resource has an error body of its own.
	whole any
	// more are further refusals of the same record.
	more []*problem
	// extra is what one code adds to its error object, duplicates what it is made from.
	extra      map[string]any
	duplicates *record.Duplicates
}

func (p *problem) Error() string { return p.code + ": " + p.message }

func badRequest(code, format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func resourceMissing() *problem {
	return &problem{status: http.StatusNotFound, code: "NOT_FOUND", message: "The requested resource does not exist"}
}

func noExternalID(name string) *problem {
	return &problem{
		status: http.StatusNotFound, code: "NOT_FOUND",
		message: "Provided external ID field does not exist or is not accessible: " + name,
	}
}

func invalidSession() *problem {
	return &problem{status: http.StatusUnauthorized, code: "INVALID_SESSION_ID", message: "Session expired or invalid"}
}

func notAllowed(method string, allowed ...string) *problem {
	return &problem{
		status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED",
		message: fmt.Sprintf("HTTP Method '%s' not allowed. Allowed are %s", method, strings.Join(allowed, ",")),
	}
}

// asProblem maps errors of the layers below. What is no refusal is ours: a 500
// with the org's text for unexpected errors, which tells a client nothing more.
func asProblem(err error) *problem {
	var p *problem
	var refused *record.Error
	var query *soql.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.As(err, &query):
		return badRequest(query.Code, "%s", query.Message)
	case errors.As(err, &tooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, code: "REQUEST_TOO_LARGE", message: "request body is too large"}
	}
	return &problem{
		status: http.StatusInternalServerError, code: "UNKNOWN_EXCEPTION",
		message: "An unexpected error occurred. Please include this ErrorId if you contact support: 123456-789 (-1234567)",
	}
}

func refusal(refused *record.Error) *problem {
	p := &problem{
		status: statusOf(refused.Code), code: refused.Code, message: refused.Message, fields: refused.Fields, duplicates: refused.Duplicates,
	}
	for _, m := range refused.More {
		p.more = append(p.more, refusal(m))
	}
	return p
}

// problem maps an error to the answer of this call.
func (c *call) problem(err error) *problem {
	p := asProblem(err)
	if p.duplicates != nil {
		p.extra = map[string]any{"duplicateResut": duplicateResult(c.base(), p.message, p.duplicates)}
	}
	return p
}

// duplicateResult says which records a duplicate rule found. The org misspells its key.
func duplicateResult(base, message string, d *record.Duplicates) map[string]any {
	records := make([]map[string]any, len(d.IDs))
	for i, id := range d.IDs {
		records[i] = map[string]any{
			"additionalInformation": []any{}, "fieldDiffs": []any{}, "matchConfidence": 100.0,
			"record": map[string]any{
				"attributes": map[string]any{"type": d.Object.Name, "url": base + "/sobjects/" + d.Object.Name + "/" + string(id)}, "Id": id,
			},
		}
	}
	return map[string]any{
		"allowSave": d.AllowSave, "duplicateRule": d.Rule, "duplicateRuleEntityType": d.Object.Name, "errorMessage": message,
		"matchResults": []any{map[string]any{
			"entityType": d.Object.Name, "errors": []any{}, "matchEngine": "ExactMatchEngine", "matchRecords": records,
			"rule": d.Rule, "size": len(records), "success": true,
		}},
	}
}

func statusOf(code string) int {
	switch code {
	case record.CodeNotFound, record.CodeDeleted:
		return http.StatusNotFound
	default:
		return http.StatusBadRequest
	}
}

// writeError answers with the problem. 300 has paths for a body, no error.
func writeError(w http.ResponseWriter, p *problem) {
	if p.status == http.StatusNotModified {
		w.WriteHeader(p.status)
		return
	}
	if p.paths != nil {
		writeJSON(w, p.status, p.paths)
		return
	}
	if p.whole != nil {
		writeJSON(w, p.status, p.whole)
		return
	}
	writeJSON(w, p.status, p.bodies("errorCode"))
}

// bodies is the array of error objects.
func (p *problem) bodies(codeKey string) []map[string]any {
	list := []map[string]any{p.body(codeKey)}
	for _, m := range p.more {
		list = append(list, m.body(codeKey))
	}
	return list
}

// body is the error object; the code's key differs between routing errors
// (errorCode) and save results (statusCode).
func (p *problem) body(codeKey string) map[string]any {
	body := map[string]any{"message": p.message, codeKey: p.code}
	if p.fields != nil || codeKey == "statusCode" {
		fields := p.fields
		if fields == nil {
			fields = []string{}
		}
		body["fields"] = fields
	}
	for key, value := range p.extra {
		body[key] = value
	}
	return body
}
