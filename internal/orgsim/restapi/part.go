package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// runPart runs one part of a composite and remembers its body for references.
func (a *API) runPart(ctx context.Context, c *call, sub subrequest, known map[string]any, atomic bool) *part {
	target, err := substitute(sub.URL, known)
	if err != nil {
		return refusedPart(badRequest("PROCESSING_HALTED", "%s", err))
	}
	body, err := substituteIn(sub.Body, known)
	if err != nil {
		return refusedPart(badRequest("PROCESSING_HALTED", "%s", err))
	}
	path, ok := target.(string)
	if !ok || !strings.HasPrefix(path, "/services/data/") {
		return refusedPart(badRequest("INVALID_INPUT", "The URL of a subrequest must begin with /services/data: %s", sub.URL))
	}
	p := a.subcall(ctx, c, sub.Method, path, body, sub.Headers, atomic)
	var decoded any
	if p.status < http.StatusBadRequest && json.Unmarshal(p.body.Bytes(), &decoded) == nil {
		known[sub.ReferenceID] = decoded
	}
	return p
}

// subcall sends a part through the API as if it were a call of its own, with the
// session and origin of the outer one. It counts as no call.
func (a *API) subcall(ctx context.Context, outer *call, method, target string, body any, headers map[string]string, atomic bool) *part {
	p := &part{header: http.Header{}, status: http.StatusOK, atomic: atomic}
	encoded, err := json.Marshal(body)
	if err != nil {
		return refusedPart(badRequest("JSON_PARSER_ERROR", "unreadable subrequest body"))
	}
	if body == nil {
		encoded = nil
	}
	// A client need not encode the spaces of a query here.
	r, err := http.NewRequestWithContext(ctx, method, strings.ReplaceAll(target, " ", "%20"), bytes.NewReader(encoded))
	if err != nil {
		return refusedPart(badRequest("INVALID_INPUT", "malformed subrequest: %s %s", method, target))
	}
	r.Header.Set("Content-Type", "application/json")
	for _, name := range []string{"Sforce-Call-Options", "Sforce-Duplicate-Rule-Header"} {
		r.Header.Set(name, outer.r.Header.Get(name))
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	r.Host = outer.r.Host
	segments, err := segmentsOf(r.URL.EscapedPath())
	if err != nil || len(segments) == 0 {
		return refusedPart(resourceMissing())
	}
	version, problem := versionOf(segments[0])
	if problem != nil {
		return refusedPart(problem)
	}
	c := &call{w: p, r: r, ctx: ctx, method: methodOf(r), version: version, path: segments[1:], session: outer.session, maxBody: outer.maxBody}
	if len(c.path) > 0 && strings.EqualFold(c.path[0], "composite") && !isCollection(c.path) {
		return refusedPart(badRequest("INVALID_INPUT", "composite calls do not nest"))
	}
	if err := a.dispatch(c); err != nil {
		return refusedPart(c.problem(err))
	}
	return p
}

func isCollection(path []string) bool {
	return len(path) > 1 && strings.EqualFold(path[0], "composite") && strings.EqualFold(path[1], "sobjects")
}

// part collects the answer of one part.
type part struct {
	header      http.Header
	status      int
	body        bytes.Buffer
	atomic      bool
	afterCommit func() error
	// rolledBack says that the part undid its own rows although its status is 200:
	// an allOrNone collection with a bad row. It fails the call around it.
	rolledBack bool
}

func (p *part) failed() bool { return p.rolledBack || p.status >= http.StatusBadRequest }

func (p *part) Header() http.Header         { return p.header }
func (p *part) WriteHeader(status int)      { p.status = status }
func (p *part) Write(b []byte) (int, error) { return p.body.Write(b) }

func refusedPart(problem *problem) *part {
	p := &part{header: http.Header{}}
	writeError(p, problem)
	return p
}

// response is the part's entry in the answer. An event that waited for the commit
// is published now.
func (p *part) response(reference string) subresponse {
	if p.afterCommit != nil {
		if err := p.afterCommit(); err != nil {
			writeError(p, asProblem(err))
		}
	}
	headers := map[string]string{}
	if location := p.header.Get("Location"); location != "" {
		headers["Location"] = location
	}
	return subresponse{Body: p.json(), Headers: headers, Status: p.status, ReferenceID: reference}
}

// json is the body as it is, null when there is none.
func (p *part) json() any {
	if p.body.Len() == 0 {
		return nil
	}
	return json.RawMessage(p.body.Bytes())
}
