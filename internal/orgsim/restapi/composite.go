package restapi

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// Limits of a composite or batch call.
const (
	maxSubrequests = 25
	// maxCostly is how many of a composite's parts may be queries or collections.
	maxCostly = 5
)

// composite serves /composite and what is below it.
func (a *API) composite(c *call, path []string) error {
	if len(path) > 0 && strings.EqualFold(path[0], "sobjects") {
		return a.collections(c, path[1:])
	}
	var serve func() error
	switch {
	case len(path) == 0:
		serve = func() error { return a.compositeCall(c) }
	case len(path) == 1 && strings.EqualFold(path[0], "batch"):
		serve = func() error { return a.batch(c) }
	case len(path) == 1 && strings.EqualFold(path[0], "graph"):
		serve = func() error { return a.graphs(c) }
	case len(path) == 2 && strings.EqualFold(path[0], "tree"):
		serve = func() error { return a.tree(c, path[1]) }
	default:
		return resourceMissing()
	}
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	return serve()
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
	if err := checkSubrequests(body.Requests); err != nil {
		return err
	}
	parts := make([]*part, len(body.Requests))
	run := func(ctx context.Context) error {
		known := map[string]any{}
		for i, sub := range body.Requests {
			parts[i] = a.runPart(ctx, c, sub, known, body.AllOrNone)
			if body.AllOrNone && parts[i].failed() {
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
	writeJSON(c.w, http.StatusOK, map[string]any{"compositeResponse": responsesOf(body.Requests, parts)})
	return nil
}

func responsesOf(requests []subrequest, parts []*part) []subresponse {
	answer := make([]subresponse, len(parts))
	for i, p := range parts {
		answer[i] = p.response(requests[i].ReferenceID)
	}
	return answer
}

var referenceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_]*$`)

// checkSubrequests refuses a call as a whole: too many parts, bad or repeated
// reference ids.
func checkSubrequests(requests []subrequest) error {
	if len(requests) > maxSubrequests {
		return badRequest("EXCEEDED_ID_LIMIT", "composite request cannot have more than %d subrequests", maxSubrequests)
	}
	costly := 0
	for _, sub := range requests {
		if isCostly(sub.URL) {
			costly++
		}
	}
	if costly > maxCostly {
		return badRequest("LIMIT_EXCEEDED", "composite request cannot have more than %d query or sObject collections subrequests", maxCostly)
	}
	return checkReferences(requests)
}

func checkReferences(requests []subrequest) error {
	seen := map[string]bool{}
	for _, sub := range requests {
		switch {
		case !referenceID.MatchString(sub.ReferenceID):
			return badRequest("INVALID_INPUT", "Provided referenceId ('%s') must start with a letter or a number, and it can contain only "+
				"letters, numbers and underscores ('_').", sub.ReferenceID)
		case seen[sub.ReferenceID]:
			return badRequest("INVALID_INPUT", "Duplicate ReferenceId provided in the request.")
		}
		seen[sub.ReferenceID] = true
	}
	return nil
}

// isCostly says that a part is a query or a collection.
func isCostly(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	segments := strings.Split(strings.ToLower(strings.Trim(path, "/")), "/")
	if len(segments) < 4 {
		return false
	}
	return segments[3] == "query" || segments[3] == "queryall" || slices.Equal(segments[3:min(len(segments), 5)], []string{"composite", "sobjects"})
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
		if p == nil || !p.failed() {
			parts[i] = haltedPart()
		}
	}
}

func haltedPart() *part {
	return refusedPart(badRequest("PROCESSING_HALTED",
		"The transaction was rolled back since another operation in the same transaction failed."))
}
