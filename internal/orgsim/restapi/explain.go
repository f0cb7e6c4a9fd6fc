package restapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// queryPlan is one way to run a statement, as explain shows it.
type queryPlan struct {
	Cardinality       int        `json:"cardinality"`
	Fields            []string   `json:"fields"`
	LeadingOperation  string     `json:"leadingOperationType"`
	Notes             []planNote `json:"notes"`
	RelativeCost      float64    `json:"relativeCost"`
	ObjectCardinality int        `json:"sobjectCardinality"`
	ObjectType        string     `json:"sobjectType"`
}

type planNote struct {
	Description string   `json:"description"`
	Fields      []string `json:"fields"`
	Table       string   `json:"tableEnumOrId"`
}

// explain answers how the org would find the records: by the indexed fields that the
// condition fixes, or by looking at every record. Costs are below one for what an
// org calls selective.
func (a *API) explain(c *call, statement string, all bool) error {
	plan, err := a.cfg.Engine.Plan(statement, all)
	if err != nil {
		return err
	}
	found, err := a.run(c, statement, all)
	if err != nil {
		return err
	}
	every, err := a.run(c, "SELECT COUNT() FROM "+plan.Object.Name, all)
	if err != nil {
		return err
	}
	base := queryPlan{Cardinality: found.Total, Fields: []string{}, Notes: []planNote{}, ObjectCardinality: every.Total, ObjectType: plan.Object.Name}
	var plans []queryPlan
	if indexed := indexedFields(plan.Object, plan.Query.Where); len(indexed) > 0 {
		index := base
		index.LeadingOperation, index.Fields = "Index", indexed
		index.RelativeCost = float64(found.Total) / float64(max(every.Total, 1)) * 3
		plans = append(plans, index)
	}
	scan := base
	scan.LeadingOperation, scan.RelativeCost = "TableScan", 1+float64(found.Total)/float64(max(every.Total, 1))
	if _, ok := plan.Object.Field("IsDeleted"); ok && !all {
		scan.Notes = append(scan.Notes, planNote{"Not considering filter for optimization because unindexed", []string{"IsDeleted"}, plan.Object.Name})
	}
	plans = append(plans, scan)
	slices.SortStableFunc(plans, func(x, y queryPlan) int {
		if x.RelativeCost < y.RelativeCost {
			return -1
		}
		return 1
	})
	writeJSON(c.w, http.StatusOK, map[string]any{"plans": plans, "sourceQuery": statement})
	return nil
}

// indexedFields are the indexed fields that every record found must have one of a
// few values in.
func indexedFields(o *schema.Object, where soql.Condition) []string {
	var fields []string
	switch cond := where.(type) {
	case *soql.Logical:
		if cond.Or {
			return nil
		}
		for _, term := range cond.Terms {
			fields = append(fields, indexedFields(o, term)...)
		}
	case *soql.Comparison:
		path, ok := cond.Left.(*soql.FieldPath)
		if !ok || len(path.Names) != 1 || cond.Op != soql.OpEqual && cond.Op != soql.OpIn {
			return nil
		}
		if f, known := o.Field(path.Names[0]); known && isLookedUp(f) {
			fields = append(fields, f.Name)
		}
	}
	return fields
}

// isLookedUp says that an org keeps an index of the field.
func isLookedUp(f *schema.Field) bool {
	return f.IsIndexed() || f.NameField || strings.EqualFold(f.Name, "SystemModstamp") || f.Name == "CreatedDate"
}
