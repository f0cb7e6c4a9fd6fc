package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// maxSubrequests is how many parts a composite or batch call may have.
const maxSubrequests = 25

// composite serves /composite, /composite/batch and /composite/sobjects.
func (a *API) composite(c *call, path []string) error {
	if len(path) > 0 && strings.EqualFold(path[0], "sobjects") {
		return a.collections(c, path[1:])
	}
	if len(path) > 0 && !(len(path) == 1 && strings.EqualFold(path[0], "batch")) {
		return resourceMissing()
	}
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if len(path) == 1 {
		return a.batch(c)
	}
	return a.compositeCall(c)
}

// subrequest is one part of a composite call.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Body        any               `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
}

// subresponse is its answer.
type subresponse struct {
	Body        any               `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

// errHalted rolls an allOrNone composite back.
var errHalted = errors.New("a part failed")

func (a *API) compositeCall(c *call) error {
	var body struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if len(body.Requests) > maxSubrequests {
		return badRequest("EXCEEDED_ID_LIMIT", "composite request cannot have more than %d subrequests", maxSubrequests)
	}
	parts := make([]*part, len(body.Requests))
	run := func(ctx context.Context) error {
		known := map[string]any{}
		for i, sub := range body.Requests {
			parts[i] = a.runPart(ctx, c, sub, known, body.AllOrNone)
			if body.AllOrNone && parts[i].status >= http.StatusBadRequest {
				return errHalted
			}
		}
		return nil
	}
	if err := a.inOneGo(c, body.AllOrNone, run); err != nil && !errors.Is(err, errHalted) {
		return err
	} else if err != nil {
		haltOthers(parts)
	}
	answer := make([]subresponse, len(parts))
	for i, p := range parts {
		answer[i] = p.response(body.Requests[i].ReferenceID)
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"compositeResponse": answer})
	return nil
}

// inOneGo runs fn with a transaction to lend when all parts share their fate.
func (a *API) inOneGo(c *call, atomic bool, fn func(context.Context) error) error {
	if !atomic {
		return fn(c.ctx)
	}
	return a.transact(c, func(tx *record.Tx) error {
		return fn(withTx(c.ctx, tx))
	})
}

// haltOthers gives the parts that did not fail the answer of a rolled-back composite.
func haltOthers(parts []*part) {
	for i, p := range parts {
		if p != nil && p.status >= http.StatusBadRequest {
			continue
		}
		parts[i] = refusedPart(badRequest("PROCESSING_HALTED",
			"The transaction was rolled back since another operation in the same transaction failed."))
	}
}

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
	r.Header.Set("Sforce-Call-Options", outer.r.Header.Get("Sforce-Call-Options"))
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
	if len(c.path) > 0 && strings.EqualFold(c.path[0], "composite") && (len(c.path) < 2 || !strings.EqualFold(c.path[1], "sobjects")) {
		return refusedPart(badRequest("INVALID_INPUT", "composite calls do not nest"))
	}
	if err := a.dispatch(c); err != nil {
		return refusedPart(asProblem(err))
	}
	return p
}

// part collects the answer of one part.
type part struct {
	header      http.Header
	status      int
	body        bytes.Buffer
	atomic      bool
	afterCommit func() error
}

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

// batch runs independent parts, whose URLs are relative to /services/data.
func (a *API) batch(c *call) error {
	var body struct {
		HaltOnError bool `json:"haltOnError"`
		Requests    []struct {
			Method string `json:"method"`
			URL    string `json:"url"`
			Input  any    `json:"richInput"`
		} `json:"batchRequests"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if len(body.Requests) > maxSubrequests {
		return badRequest("EXCEEDED_ID_LIMIT", "batch request cannot have more than %d subrequests", maxSubrequests)
	}
	type result struct {
		Status int `json:"statusCode"`
		Result any `json:"result"`
	}
	results := []result{}
	failed := false
	for _, sub := range body.Requests {
		var p *part
		if failed && body.HaltOnError {
			p = refusedPart(&problem{
				status: http.StatusPreconditionFailed, code: "BATCH_PROCESSING_HALTED",
				message: "Batch processing was halted as per request",
			})
		} else {
			p = a.subcall(c.ctx, c, sub.Method, "/services/data/"+strings.TrimPrefix(sub.URL, "/"), sub.Input, nil, false)
		}
		failed = failed || p.status >= http.StatusBadRequest
		results = append(results, result{p.status, p.json()})
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"hasErrors": failed, "results": results})
	return nil
}
