package soql

import (
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// compiler builds one plan. Like the parser it unwinds refusals as panics of *Error.
type compiler struct {
	catalog *schema.Catalog
	opts    Options
	all     bool
	query   *Query
	args    []any
	aliases int
	depth   int // of child subqueries
	columns []string
	plan    *Plan
}

// Compile resolves a parsed statement against the catalog. A refusal is an [*Error].
func Compile(q *Query, catalog *schema.Catalog, opts Options) (plan *Plan, err error) {
	c := &compiler{catalog: catalog, opts: opts, all: opts.All || q.AllRows, query: q, plan: &Plan{Query: q, RowID: -1}}
	defer caught(&err)
	c.compile()
	c.checkSize()
	return c.plan, nil
}

// Bounds that keep every statement within what SQLite takes. The org has bounds
// of its own near them.
const (
	maxColumns   = 1_500
	maxArgs      = 32_000
	maxTerms     = 32 // of ORDER BY and GROUP BY
	maxJoins     = 55 // child-to-parent relationships
	maxPattern   = 40_000
	codeTooLarge = "QUERY_TOO_COMPLICATED"
)

func (c *compiler) checkSize() {
	if len(c.columns) > maxColumns || len(c.args) > maxArgs || len(c.query.OrderBy) > maxTerms || len(c.query.GroupBy) > maxTerms {
		panic(&Error{Code: codeTooLarge, Message: "Query is too complicated: too many fields, values or terms"})
	}
}

func (c *compiler) refuse(at position, code, format string, args ...any) {
	panic(errorAt(c.query.Source, at, code, format, args...))
}

func (c *compiler) nextAlias() string {
	c.aliases++
	return "t" + strconv.Itoa(c.aliases-1)
}

func (c *compiler) compile() {
	c.compileIn(c.scope(c.query))
}

// compileIn compiles the statement over what it selects from.
func (c *compiler) compileIn(s *scope) {
	q := c.query
	c.plan.Object = s.object
	c.plan.Count = isBareCount(q)
	c.plan.Aggregate = !c.plan.Count && (len(q.GroupBy) > 0 || hasAggregate(q))
	groups := c.groups(s)
	switch {
	case c.plan.Count:
		c.countColumn()
	case c.plan.Aggregate:
		c.aggregateColumns(s, groups)
	default:
		c.recordColumns(s)
	}
	tail := c.where(s, q.Where)
	if len(groups) > 0 {
		tail += " GROUP BY " + strings.Join(groups, ",")
	}
	if q.Having != nil {
		if len(groups) == 0 {
			c.refuse(q.fromAt, CodeMalformed, "HAVING needs GROUP BY")
		}
		tail += " HAVING " + c.condition(s, q.Having, true)
	}
	tail += c.order(s, groups) + c.page()
	c.plan.SQL, c.plan.Args = c.assemble(s, tail), c.args
}

// assemble puts the statement together. SELECT COUNT() with LIMIT counts no further.
func (c *compiler) assemble(s *scope, tail string) string {
	if c.plan.Count {
		return "SELECT COUNT(*) FROM (SELECT 1" + s.from() + tail + ")"
	}
	return "SELECT " + strings.Join(c.columns, ",") + s.from() + tail
}

func (c *compiler) page() string {
	q := c.query
	switch {
	case q.Limit >= 0:
		return " LIMIT " + strconv.Itoa(q.Limit) + " OFFSET " + strconv.Itoa(q.Offset)
	case q.Offset > 0:
		return " LIMIT -1 OFFSET " + strconv.Itoa(q.Offset)
	}
	return ""
}

// column adds a result column, or finds it, and returns its place.
func (c *compiler) column(sql string, kind schema.Type) int {
	for i, have := range c.columns {
		if have == sql && c.plan.Columns[i] == kind {
			return i
		}
	}
	c.columns = append(c.columns, sql)
	c.plan.Columns = append(c.plan.Columns, kind)
	return len(c.columns) - 1
}

func (c *compiler) order(s *scope, groups []string) string {
	var terms []string
	for _, o := range c.query.OrderBy {
		v := c.operand(s, o.Value, c.plan.Aggregate)
		if v.field != nil && v.field.IsCompound() && v.field.Type != schema.TypePersonName {
			c.refuse(o.Value.where(), CodeField, "field '%s' can not be sorted in a query call", v.label)
		}
		c.mustBeGrouped(v, groups, o.Value.where())
		term := v.sql
		if o.Desc {
			term += " DESC"
		}
		if o.NullsLast {
			terms = append(terms, term+" NULLS LAST")
		} else {
			terms = append(terms, term+" NULLS FIRST")
		}
	}
	if len(terms) == 0 || c.plan.Count {
		return ""
	}
	if !c.plan.Aggregate {
		terms = append(terms, s.base.name+".rowid") // equal values keep one order, so that pages do not overlap
	}
	return " ORDER BY " + strings.Join(terms, ",")
}

func isBareCount(q *Query) bool {
	call, ok := q.Select[0].Value.(*Call)
	return ok && len(q.Select) == 1 && call.Name == "COUNT" && len(call.Args) == 0
}

func hasAggregate(q *Query) bool {
	for _, item := range q.Select {
		if call, ok := item.Value.(*Call); ok && isAggregate(call.Name) {
			return true
		}
	}
	return false
}
