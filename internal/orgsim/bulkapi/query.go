package bulkapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// serveQuery serves /jobs/query and below.
func (a *API) serveQuery(c *call, path []string) error {
	if len(path) == 0 {
		switch c.r.Method {
		case http.MethodPost:
			return a.createQuery(c)
		case http.MethodGet:
			return a.list(c, query)
		}
		return notAllowed(c.r.Method, "GET", "POST")
	}
	j, err := a.jobs.get(query, path[0])
	if err != nil {
		return err
	}
	if len(path) == 1 {
		return a.serveJob(c, j)
	}
	if len(path) > 2 {
		return missing()
	}
	serve := map[string]func(*call, *job) error{"results": a.servePage, "resultpages": a.servePages}[strings.ToLower(path[1])]
	if serve == nil {
		return missing()
	}
	if c.r.Method != http.MethodGet {
		return notAllowed(c.r.Method, "GET")
	}
	if err := a.resultsReadable(c, j); err != nil {
		return err
	}
	return serve(c, j)
}

func (a *API) createQuery(c *call) error {
	var body createBody
	if err := c.readJSON(&body); err != nil {
		return err
	}
	op, err := operationOf(body.Operation, query)
	if err != nil {
		return err
	}
	f, err := formatOf(body.ColumnDelimiter, body.LineEnding, body.ContentType)
	if err != nil {
		return err
	}
	if strings.TrimSpace(body.Query) == "" {
		return badRequest("MALFORMED_QUERY", "A query string has to be specified")
	}
	plan, err := a.planOf(body.Query, op)
	if err != nil {
		return err
	}
	if err := a.claimQuery(); err != nil {
		return err
	}
	s := spec{
		object: plan.Object, operation: op, statement: body.Query, format: f, version: c.version, user: c.session.UserID, origin: c.origin(),
	}
	j := a.jobs.add(a.ctx, query, s, UploadComplete)
	j.pkChunks = len(plan.Query.OrderBy) == 0 && plan.Query.Limit < 0
	answer := j.info()
	a.start(j, a.extract)
	writeJSON(c.w, http.StatusOK, answer)
	return nil
}

// planOf compiles a statement, or refuses one that bulk queries do not answer.
func (a *API) planOf(statement string, op operation) (*soql.Plan, error) {
	plan, err := a.cfg.Engine.Plan(statement, op == QueryAll)
	if err != nil {
		return nil, err
	}
	return plan, supported(plan)
}

// claimQuery counts a query job, or refuses it because the day's are used up.
func (a *API) claimQuery() error {
	limits := a.cfg.Limits
	if used := a.usage.queryJobs.sum(); used >= limits.QueryJobs {
		return badRequest(codeLimit, "Max bulk v2 query jobs (%d) per 24 hrs has been reached (%d)", limits.QueryJobs, used)
	}
	if a.usage.queryBytes.sum() >= limits.QueryBytes {
		return badRequest(codeLimit, "Max bulk v2 query result size stored (%d) kb per 24 hrs has been exceeded", limits.QueryBytes/1000)
	}
	a.usage.queryJobs.add(1)
	return nil
}

// supported refuses what the org answers in other APIs only.
func supported(plan *soql.Plan) error {
	q := plan.Query
	if plan.Count || plan.Aggregate || len(q.GroupBy) > 0 {
		return badRequest(codeAPIError, "Aggregate Relationships not supported in Bulk V2 Query with CSV content type")
	}
	if q.Offset > 0 {
		return badRequest(codeAPIError, "OFFSET not supported in Bulk V2 Query")
	}
	for _, item := range q.Select {
		switch v := item.Value.(type) {
		case *soql.FieldPath:
		case *soql.ChildQuery:
			return badRequest(codeAPIError, "Aggregate Relationships not supported in Bulk V2 Query with CSV content type")
		case *soql.Call:
			if v.Name == "FIELDS" {
				return badRequest(codeAPIError, "The SOQL FIELDS function is not supported in Bulk V2 Query")
			}
		default:
			return badRequest(codeAPIError, "TYPEOF not supported in Bulk V2 Query")
		}
	}
	return flat(plan.Root)
}

// flat refuses compound values at any depth.
func flat(n *soql.Node) error {
	for _, item := range n.Items {
		if item.Parts != nil || item.Type == schema.TypeAddress {
			return badRequest(codeAPIError, "Selecting compound data not supported in Bulk Query")
		}
		if item.Parent != nil {
			if err := flat(item.Parent); err != nil {
				return err
			}
		}
	}
	return nil
}

// output is one column of a result.
type output struct {
	name   string // as in the header: Account.Name
	column int    // of the plan
	kind   schema.Type
}

// outputs lists the columns of the result: in the order of the SELECT list, or by
// name as old versions have it.
func outputs(plan *soql.Plan, version int) []output {
	var all []output
	collect(plan.Root, "", &all)
	if version < inOrderVersion {
		slices.SortFunc(all, func(x, y output) int { return strings.Compare(x.name, y.name) })
		return all
	}
	place := func(o output) int {
		for i, item := range plan.Query.Select {
			if strings.EqualFold(o.name, selected(item.Value)) {
				return i
			}
		}
		return len(plan.Query.Select)
	}
	slices.SortStableFunc(all, func(x, y output) int { return place(x) - place(y) })
	return all
}

// collect walks the record's shape, which groups the fields of a parent.
func collect(n *soql.Node, prefix string, all *[]output) {
	for _, item := range n.Items {
		if item.Parent != nil {
			collect(item.Parent, prefix+item.Name+".", all)
			continue
		}
		*all = append(*all, output{name: prefix + item.Name, column: item.Column, kind: item.Type})
	}
}

// selected names the field of an entry of the SELECT list.
func selected(v soql.Value) string {
	switch v := v.(type) {
	case *soql.FieldPath:
		return strings.Join(v.Names, ".")
	case *soql.Call:
		if len(v.Args) > 0 {
			return selected(v.Args[0])
		}
	}
	return ""
}
