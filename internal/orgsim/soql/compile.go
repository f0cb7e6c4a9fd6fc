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
	// absent are the grouped expressions that this part of a ROLLUP or CUBE sums over.
	absent []string
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
	if call, ok := groupingCall(q); ok {
		c.compileSets(call)
		return
	}
	c.plan.Count = isBareCount(q)
	c.plan.Aggregate = !c.plan.Count && (len(q.GroupBy) > 0 || hasAggregate(q))
	groups := c.groups(s, q.GroupBy)
	switch {
	case c.plan.Count:
		c.countColumn()
	case c.plan.Aggregate:
		c.aggregateColumns(s, groups)
	default:
		c.recordColumns(s)
	}
	tail := c.where(s, q.Where) + c.grouped(s, groups, groups) + c.order(s, groups) + c.page()
	c.plan.SQL, c.plan.Args = c.assemble(s, tail), c.args
	if c.plan.RowID >= 0 {
		rowID := s.base.name + ".rowid"
		c.plan.PlacesSQL = "SELECT " + rowID + s.from() + tail
		c.plan.RowsSQL = "SELECT " + strings.Join(c.columns, ",") + s.from() + " WHERE " + rowID + " IN (SELECT value FROM json_each(?))"
	}
}

// grouped is GROUP BY and HAVING. By are the groups of this part of the statement.
func (c *compiler) grouped(s *scope, groups, by []string) string {
	tail := ""
	if len(by) > 0 {
		tail = " GROUP BY " + strings.Join(by, ",")
	}
	if c.query.Having == nil {
		return tail
	}
	if len(groups) == 0 {
		c.refuse(c.query.fromAt, CodeMalformed, "HAVING needs GROUP BY")
	}
	return tail + " HAVING " + c.condition(s, c.query.Having, true)
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

// orderTerm is one SQL expression to sort by and its direction.
type orderTerm struct{ sql, direction string }

func (c *compiler) orderTerms(s *scope, groups []string) []orderTerm {
	var terms []orderTerm
	for _, o := range c.query.OrderBy {
		v := c.operand(s, o.Value, c.plan.Aggregate)
		if v.field != nil && (v.field.IsCompound() && v.field.Type != schema.TypePersonName || v.field.Type == schema.TypeMultiPicklist || v.field.Type == schema.TypeBase64) {
			c.refuse(o.Value.where(), CodeField, "field '%s' can not be sorted in a query call", v.label)
		}
		c.mustBeGrouped(v, groups, o.Value.where())
		v.sql = c.present(v.sql)
		direction := ""
		if o.Desc {
			direction = " DESC"
		}
		if o.NullsLast {
			direction += " NULLS LAST"
		} else {
			direction += " NULLS FIRST"
		}
		if rank := picklistRank(v); rank != "" {
			terms = append(terms, orderTerm{rank, direction})
		}
		terms = append(terms, orderTerm{v.sql, direction})
	}
	return terms
}

// picklistRank is the place of a value in its picklist, which is what the org sorts
// by; other values come after, in the order of their text.
func picklistRank(v operand) string {
	if v.field == nil || v.field.Type != schema.TypePicklist || len(v.field.Picklist) == 0 {
		return ""
	}
	if v.sql == "NULL" { // summed over
		return v.sql
	}
	var b strings.Builder
	b.WriteString("CASE WHEN " + v.sql + " IS NULL THEN NULL")
	for i, value := range v.field.Picklist {
		b.WriteString(" WHEN " + v.sql + "='" + strings.ReplaceAll(value, "'", "''") + "' THEN " + strconv.Itoa(i))
	}
	return b.String() + " ELSE " + strconv.Itoa(len(v.field.Picklist)) + " END"
}

func (c *compiler) order(s *scope, groups []string) string {
	var terms []string
	for _, t := range c.orderTerms(s, groups) {
		terms = append(terms, t.sql+t.direction)
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
		if call, ok := item.Value.(*Call); ok && isAggregateIn(call) {
			return true
		}
	}
	return false
}

// isAggregateIn finds an aggregate also inside FORMAT().
func isAggregateIn(call *Call) bool {
	if isAggregate(call.Name) {
		return true
	}
	for _, arg := range call.Args {
		if inner, ok := arg.(*Call); ok && isAliasable(call.Name) && isAggregateIn(inner) {
			return true
		}
	}
	return false
}
