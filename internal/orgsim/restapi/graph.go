package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// Limits of a graph call.
const (
	maxGraphs       = 75
	maxGraphNodes   = 500
	maxGraphDepth   = 15
	maxNodeKinds    = 15
	maxFailedGraphs = 14
)

var graphID = regexp.MustCompile(`^[A-Za-z0-9][^.]{0,39}$`)

// graph is one composite of its own, all or none.
type graph struct {
	ID       string       `json:"graphId"`
	Requests []subrequest `json:"compositeRequest"`
}

// graphAnswer is its entry in the answer.
type graphAnswer struct {
	ID         string         `json:"graphId"`
	Response   map[string]any `json:"graphResponse"`
	Successful bool           `json:"isSuccessful"`
}

// graphs serves /composite/graph. Graphs succeed and fail one by one; after too
// many failures the rest are not tried.
func (a *API) graphs(c *call) error {
	var body struct {
		Graphs []graph `json:"graphs"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := checkGraphs(body.Graphs); err != nil {
		return err
	}
	answers := make([]graphAnswer, len(body.Graphs))
	failed := 0
	for i, g := range body.Graphs {
		parts := make([]*part, len(g.Requests))
		good := false
		if failed < maxFailedGraphs {
			var err error
			if good, err = a.runGraph(c, g, parts); err != nil {
				return err
			}
		}
		if !good {
			failed++
			haltOthers(parts)
		}
		answers[i] = graphAnswer{g.ID, map[string]any{"compositeResponse": responsesOf(g.Requests, parts)}, good}
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"graphs": answers})
	return nil
}

// runGraph runs the nodes in the order of their references, in one transaction.
func (a *API) runGraph(c *call, g graph, parts []*part) (good bool, err error) {
	order, problem := graphOrder(g.Requests)
	if problem != nil {
		parts[0] = refusedPart(problem)
		return false, nil
	}
	err = a.inOneGo(c, true, func(ctx context.Context) error {
		known := map[string]any{}
		for _, i := range order {
			if problem := a.checkNode(g.Requests[i]); problem != nil {
				parts[i] = refusedPart(problem)
			} else {
				parts[i] = a.runPart(ctx, c, g.Requests[i], known, true)
			}
			if parts[i].failed() {
				return errHalted
			}
		}
		return nil
	})
	if errors.Is(err, errHalted) {
		return false, nil
	}
	return err == nil, err
}

// checkNode lets record URLs through only: /sobjects/X, /sobjects/X/id and
// /sobjects/X/field/value.
func (a *API) checkNode(sub subrequest) *problem {
	path, _, _ := strings.Cut(sub.URL, "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) >= 5 && len(segments) <= 7 && strings.EqualFold(segments[3], "sobjects") {
		o, ok := a.cfg.Catalog.Object(segments[4])
		describes := len(segments) == 6 && strings.EqualFold(segments[5], "describe")
		if ok && o.Kind == schema.Record && !describes {
			return nil
		}
	}
	return badRequest("INVALID_INPUT", "This URL is not supported in a composite graph: %s", sub.URL)
}

func checkGraphs(graphs []graph) error {
	if len(graphs) > maxGraphs {
		return badRequest("LIMIT_EXCEEDED", "A request cannot have more than %d graphs.", maxGraphs)
	}
	nodes := 0
	kinds, ids := map[string]bool{}, map[string]bool{}
	for _, g := range graphs {
		switch {
		case !graphID.MatchString(g.ID):
			return badRequest("INVALID_INPUT", "Provided graphId ('%s') must start with a letter or a number, have up to 40 characters and no dot.", g.ID)
		case ids[g.ID]:
			return badRequest("INVALID_INPUT", "Duplicate graphId provided in the request.")
		case len(g.Requests) == 0:
			return badRequest("INVALID_INPUT", "A graph needs at least one node: %s", g.ID)
		}
		ids[g.ID] = true
		if err := checkReferences(g.Requests); err != nil {
			return err
		}
		nodes += len(g.Requests)
		for _, sub := range g.Requests {
			kinds[nodeKind(sub)] = true
		}
	}
	if nodes > maxGraphNodes {
		return badRequest("LIMIT_EXCEEDED", "A request cannot have more than %d nodes.", maxGraphNodes)
	}
	if len(kinds) > maxNodeKinds {
		return badRequest("LIMIT_EXCEEDED", "A request cannot have more than %d different nodes.", maxNodeKinds)
	}
	return nil
}

// nodeKind tells nodes apart by method, object and headers: records of one type
// that are created the same way are one kind.
func nodeKind(sub subrequest) string {
	segments := strings.Split(strings.Trim(sub.URL, "/"), "/")
	headers, _ := json.Marshal(sub.Headers) // strings always encode
	return sub.Method + " " + strings.ToLower(strings.Join(segments[:min(len(segments), 5)], "/")) + " " + string(headers)
}

// graphOrder sorts nodes so that each comes after those it refers to, and keeps
// the written order otherwise. A node that refers to no node of the graph keeps its
// place and fails there.
func graphOrder(requests []subrequest) ([]int, *problem) {
	index := map[string]int{}
	for i, sub := range requests {
		index[sub.ReferenceID] = i
	}
	depth := make([]int, len(requests)) // 0 not seen, -1 on the way
	var order []int
	var visit func(i int) *problem
	visit = func(i int) *problem {
		if depth[i] < 0 {
			return badRequest("PROCESSING_HALTED", "Cyclic reference in the graph: %s", requests[i].ReferenceID)
		}
		if depth[i] > 0 {
			return nil
		}
		depth[i] = -1
		deepest := 0
		for _, before := range needs(requests[i], index) {
			if problem := visit(before); problem != nil {
				return problem
			}
			deepest = max(deepest, depth[before])
		}
		if depth[i] = deepest + 1; depth[i] > maxGraphDepth {
			return badRequest("LIMIT_EXCEEDED", "A graph cannot be more than %d nodes deep.", maxGraphDepth)
		}
		order = append(order, i)
		return nil
	}
	for i := range requests {
		if problem := visit(i); problem != nil {
			return nil, problem
		}
	}
	return order, nil
}

// needs lists the nodes that a node's URL and body refer to.
func needs(sub subrequest, index map[string]int) []int {
	body, _ := json.Marshal(sub.Body) // it was decoded from JSON
	var before []int
	for _, m := range reference.FindAllStringSubmatch(sub.URL+string(body), -1) {
		if i, ok := index[m[1]]; ok && !slices.Contains(before, i) {
			before = append(before, i)
		}
	}
	return before
}
