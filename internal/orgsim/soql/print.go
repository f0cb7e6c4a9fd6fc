package soql

import (
	"strconv"
	"strings"
)

// String prints the statement in one canonical form, which parses to the same
// tree: keywords in upper case, AND and OR in parentheses below the top. Clauses
// without effect on what is found are left out.
func (q *Query) String() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, item := range q.Select {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(printValue(item.Value))
		if item.Alias != "" {
			b.WriteString(" " + item.Alias)
		}
	}
	b.WriteString(" FROM " + q.From)
	if q.Alias != "" {
		b.WriteString(" AS " + q.Alias)
	}
	if q.Where != nil {
		b.WriteString(" WHERE " + printCondition(q.Where, true))
	}
	if len(q.GroupBy) > 0 {
		b.WriteString(" GROUP BY " + printValues(q.GroupBy))
	}
	if q.Having != nil {
		b.WriteString(" HAVING " + printCondition(q.Having, true))
	}
	b.WriteString(printOrders(q.OrderBy))
	if q.Limit >= 0 {
		b.WriteString(" LIMIT " + strconv.Itoa(q.Limit))
	}
	if q.Offset > 0 {
		b.WriteString(" OFFSET " + strconv.Itoa(q.Offset))
	}
	if q.AllRows {
		b.WriteString(" ALL ROWS")
	}
	return b.String()
}

func printValue(v Value) string {
	switch v := v.(type) {
	case *FieldPath:
		return strings.Join(v.Names, ".")
	case *Call:
		return v.Name + "(" + printValues(v.Args) + ")"
	case *ChildQuery:
		return "(" + v.Query.String() + ")"
	case *Constant:
		return v.Literal.String()
	case *TypeOf:
		return printTypeOf(v)
	}
	return ""
}

func printTypeOf(t *TypeOf) string {
	s := "TYPEOF " + printValue(t.Relationship)
	for _, when := range t.Whens {
		s += " WHEN " + when.Type + " THEN " + printPaths(when.Fields)
	}
	if t.Else != nil {
		s += " ELSE " + printPaths(t.Else)
	}
	return s + " END"
}

func printPaths(paths []*FieldPath) string {
	printed := make([]string, len(paths))
	for i, p := range paths {
		printed[i] = printValue(p)
	}
	return strings.Join(printed, ", ")
}

func printValues(values []Value) string {
	printed := make([]string, len(values))
	for i, v := range values {
		printed[i] = printValue(v)
	}
	return strings.Join(printed, ", ")
}

func printOrders(orders []Order) string {
	var printed []string
	for _, o := range orders {
		s := printValue(o.Value)
		if o.Desc {
			s += " DESC"
		}
		if o.NullsLast {
			s += " NULLS LAST"
		}
		printed = append(printed, s)
	}
	if len(printed) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(printed, ", ")
}

func printCondition(c Condition, top bool) string {
	switch c := c.(type) {
	case *Logical:
		word := " AND "
		if c.Or {
			word = " OR "
		}
		terms := make([]string, len(c.Terms))
		for i, t := range c.Terms {
			terms[i] = printCondition(t, false)
		}
		if top {
			return strings.Join(terms, word)
		}
		return "(" + strings.Join(terms, word) + ")"
	case *Not:
		return "(NOT " + printCondition(c.Term, false) + ")"
	case *Comparison:
		return printValue(c.Left) + " " + string(c.Op) + " " + printRight(c)
	}
	return ""
}

func printRight(c *Comparison) string {
	if c.Subquery != nil {
		return "(" + c.Subquery.String() + ")"
	}
	printed := make([]string, len(c.Right))
	for i, l := range c.Right {
		printed[i] = l.String()
	}
	list := strings.Join(printed, ", ")
	switch c.Op {
	case OpIn, OpNotIn, OpIncludes, OpExcludes:
		return "(" + list + ")"
	}
	return list
}

// String prints the literal as it may be written in a statement.
func (l Literal) String() string {
	switch {
	case l.Kind == LiteralString:
		return "'" + l.Text + "'"
	case l.Kind == LiteralPeriod && isCountedPeriod(l.Text):
		return l.Text + ":" + strconv.Itoa(l.N)
	}
	return l.Text
}
