package apex

import (
	"context"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// query runs a statement. Its value has records and size; with single it is the record.
func (t *transaction) query(ctx context.Context, q *QueryDecl) (any, error) {
	if err := take(&t.used.queries, 1, t.limits.Queries, "SOQL queries"); err != nil {
		return nil, err
	}
	v, err := t.vars.expand(q.SOQL, bound)
	if err != nil {
		return nil, err
	}
	// One row more than allowed shows that there are too many, and spares the rest.
	result, err := t.find(ctx, text(v), q.AllRows, t.limits.QueryRows-t.used.queryRows+1)
	if err != nil {
		return nil, err
	}
	rows := max(1, len(result.Rows)) // a count takes one
	if !result.Plan.Count {
		rows = len(result.Rows)
	}
	if err := take(&t.used.queryRows, rows, t.limits.QueryRows, "query rows"); err != nil {
		return nil, err
	}
	list := recordsOf(result)
	if err := t.checkHeap(sizeOf(list)); err != nil {
		return nil, err
	}
	if !q.Single {
		return map[string]any{"records": list, "size": int64(result.Total)}, nil
	}
	switch len(list) {
	case 0:
		return nil, throw(queryException, "List has no rows for assignment to SObject")
	case 1:
		return list[0], nil
	}
	return nil, throw(queryException, "List has more than 1 row for assignment to SObject")
}

// find runs a statement inside the transaction, if there is one, for at most so many rows.
func (t *transaction) find(ctx context.Context, statement string, all bool, most int) (*record.Result, error) {
	parsed, err := soql.Parse(statement)
	if err != nil {
		return nil, queryProblem(err)
	}
	if limited := withLimit(parsed, statement, most); limited != "" {
		statement = limited
	}
	run := t.rt.cfg.Records.Query
	if t.rec != nil {
		run = t.rec.Query
	}
	result, err := run(ctx, statement, all)
	if err != nil {
		return nil, queryProblem(err)
	}
	return result, nil
}

// withLimit adds a LIMIT to a statement that has none and can have one.
func withLimit(q *soql.Query, statement string, most int) string {
	if q.Limit >= 0 || q.Offset > 0 || len(q.GroupBy) > 0 || q.AllRows {
		return ""
	}
	for _, item := range q.Select {
		if _, call := item.Value.(*soql.Call); call {
			return ""
		}
	}
	for _, clause := range []string{" FOR ", " WITH ", " USING "} {
		if strings.Contains(strings.ToUpper(statement), clause) {
			return "" // a limit at the end might be in the wrong place
		}
	}
	return statement + " LIMIT " + text(int64(most))
}

// recordsOf turns a result into values, as JSON would have them.
func recordsOf(result *record.Result) []any {
	list := make([]any, 0, len(result.Rows))
	for _, row := range result.Rows {
		list = append(list, nodeOf(result.Plan.Root, row, result.Plan.Aggregate))
	}
	return list
}

func nodeOf(n *soql.Node, row []any, aggregate bool) map[string]any {
	out := make(map[string]any, len(n.Items)+1)
	switch {
	case aggregate:
		out["attributes"] = map[string]any{"type": "AggregateResult"}
	case n.Object != nil:
		out["attributes"] = map[string]any{"type": n.Object.Name}
		if n.IDColumn >= 0 { // Apex has the Id of every record that was queried
			out["Id"] = row[n.IDColumn]
		}
	default:
		out["attributes"] = map[string]any{"type": row[n.TypeColumn]}
	}
	for _, item := range n.Items {
		out[item.Name] = itemOf(&item, row)
	}
	return out
}

func itemOf(item *soql.Item, row []any) any {
	switch {
	case item.Parent != nil && item.Parent.IDColumn >= 0 && row[item.Parent.IDColumn] == nil:
		return nil
	case item.Parent != nil:
		return nodeOf(item.Parent, row, false)
	case item.Children != nil:
		children, ok := row[item.Column].(*record.Result)
		if !ok {
			return []any{}
		}
		return recordsOf(children)
	case item.Parts != nil:
		parts := make(map[string]any, len(item.Parts))
		for _, part := range item.Parts {
			parts[strings.ToLower(part.Name[:1])+part.Name[1:]] = valueOf(row[part.Column], part.Type)
		}
		return parts
	}
	return valueOf(row[item.Column], item.Type)
}

// valueOf spells times as the org's JSON does; everything else is a value already.
func valueOf(v any, kind schema.Type) any {
	t, ok := v.(time.Time)
	switch {
	case !ok:
		return v
	case kind == schema.TypeDate:
		return t.Format(time.DateOnly)
	}
	return t.UTC().Format("2006-01-02T15:04:05.000+0000")
}
