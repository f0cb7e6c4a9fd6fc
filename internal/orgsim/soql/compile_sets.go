package soql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// maxSetKeys is how many fields GROUP BY ROLLUP and CUBE take.
const maxSetKeys = 3

// groupingCall finds GROUP BY ROLLUP(...) and GROUP BY CUBE(...).
func groupingCall(q *Query) (*Call, bool) {
	if len(q.GroupBy) != 1 {
		return nil, false
	}
	call, ok := q.GroupBy[0].(*Call)
	return call, ok && (call.Name == "ROLLUP" || call.Name == "CUBE")
}

// compileSets compiles ROLLUP and CUBE as the union of one grouping for each set
// of keys: all of them, and those that subtotals leave out.
func (c *compiler) compileSets(call *Call) {
	if len(call.Args) == 0 || len(call.Args) > maxSetKeys {
		c.refuse(call.at, CodeMalformed, "GROUP BY %s takes 1 to %d fields", call.Name, maxSetKeys)
	}
	c.plan.Aggregate = true
	var selects, order []string
	for i, set := range groupingSets(call.Name, len(call.Args)) {
		inner := &compiler{catalog: c.catalog, opts: c.opts, all: c.all, query: c.query, plan: &Plan{Query: c.query, RowID: -1, Aggregate: true}}
		sql, terms := inner.compileSet(call.Args, set)
		if i == 0 {
			c.plan.Root, c.plan.Columns, c.columns, order = inner.plan.Root, inner.plan.Columns, inner.columns, terms
		}
		selects = append(selects, sql)
		c.args = append(c.args, inner.args...)
	}
	names := make([]string, len(c.plan.Columns))
	for i := range names {
		names[i] = "k" + strconv.Itoa(i)
	}
	c.plan.SQL = "SELECT " + strings.Join(names, ",") + " FROM (" + strings.Join(selects, " UNION ALL ") + ")" + " ORDER BY " + strings.Join(order, ",") + c.page()
	c.plan.Args = c.args
}

// compileSet compiles the statement for the keys kept, every result column and then
// every term to sort by under the names k0, k1 and so on. Without ORDER BY subtotals
// follow what they sum up.
func (c *compiler) compileSet(keys []Value, kept []bool) (sql string, order []string) {
	s := c.scope(c.query)
	groups := c.groups(s, keys)
	var by []string
	for i, g := range groups {
		if kept[i] {
			by = append(by, g)
		} else {
			c.absent = append(c.absent, g)
		}
	}
	c.aggregateColumns(s, groups)
	terms := c.orderTerms(s, groups)
	if len(terms) == 0 {
		for _, g := range groups {
			terms = append(terms, orderTerm{c.present(g), " NULLS LAST"})
		}
	}
	columns := slices.Clone(c.columns)
	for _, t := range terms {
		order = append(order, "k"+strconv.Itoa(len(columns))+t.direction)
		columns = append(columns, t.sql)
	}
	for i := range columns {
		columns[i] += " AS k" + strconv.Itoa(i)
	}
	where := c.where(s, c.query.Where)
	having := c.grouped(s, groups, by)
	if len(by) == 0 && having == "" {
		having = " HAVING COUNT(*)>0" // no total of nothing
	}
	return "SELECT " + strings.Join(columns, ",") + s.from() + where + having, order
}

// present is a grouped expression's value in this part of a ROLLUP or CUBE: null
// where the part sums over it.
func (c *compiler) present(sql string) string {
	if slices.Contains(c.absent, sql) {
		return "NULL"
	}
	return sql
}

// groupingSets lists which of n keys each grouping keeps, the most detailed first.
func groupingSets(kind string, n int) [][]bool {
	var sets [][]bool
	if kind == "ROLLUP" {
		for keep := n; keep >= 0; keep-- {
			set := make([]bool, n)
			for i := range keep {
				set[i] = true
			}
			sets = append(sets, set)
		}
		return sets
	}
	for mask := 1<<n - 1; mask >= 0; mask-- {
		set := make([]bool, n)
		for i := range n {
			set[i] = mask&(1<<(n-1-i)) != 0
		}
		sets = append(sets, set)
	}
	return sets
}

// grouping compiles GROUPING(field): 1 where the row sums over the field.
func (c *compiler) grouping(s *scope, call *Call) operand {
	if _, ok := groupingCall(c.query); !ok || len(call.Args) != 1 {
		c.refuse(call.at, CodeMalformed, "GROUPING takes one field of GROUP BY ROLLUP or CUBE")
	}
	of := c.operand(s, call.Args[0], false)
	result := operand{sql: "0", kind: schema.TypeInt, label: "GROUPING(" + of.label + ")", aggregate: true}
	if slices.Contains(c.absent, of.sql) {
		result.sql = "1"
	}
	return result
}
