package soql

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// where compiles the WHERE clause and leaves deleted records out unless all are asked for.
func (c *compiler) where(s *scope, cond Condition) string {
	var terms []string
	if s.parentKey != "" {
		terms = append(terms, s.base.column(s.parentKey)+"=?")
		c.args = append(c.args, nil) // the parent's Id, once per parent
	}
	if !c.all {
		terms = append(terms, s.base.column("IsDeleted")+"=0")
	}
	if cond != nil {
		terms = append(terms, c.condition(s, cond, false))
	}
	if len(terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(terms, " AND ")
}

// condition compiles to an SQL expression in parentheses. It may be NULL where
// SOQL says false; Not turns that NULL into true, as SOQL does.
func (c *compiler) condition(s *scope, cond Condition, having bool) string {
	switch cond := cond.(type) {
	case *Logical:
		word, parts := " AND ", cond.Terms
		if cond.Or {
			word, parts = " OR ", gatherEqual(parts)
		}
		terms := make([]string, len(parts))
		for i, t := range parts {
			terms[i] = c.condition(s, t, having)
		}
		return balanced(terms, word)
	case *Not:
		return "(NOT COALESCE(" + c.condition(s, cond.Term, having) + ",0))"
	case *Comparison:
		return "(" + c.comparison(s, cond, having) + ")"
	}
	panic("condition of unknown form")
}

// gatherEqual turns the alternatives A = 1 OR A = 2 into A IN (1, 2), which the
// database looks up instead of trying one by one; its planning time grows with the
// square of the alternatives, and clients generate hundreds of them.
func gatherEqual(terms []Condition) []Condition {
	lists := map[string]*Comparison{}
	var kept []Condition
	for _, t := range terms {
		cmp, ok := t.(*Comparison)
		if !ok || cmp.Op != OpEqual || cmp.Right[0].Kind == LiteralPeriod {
			kept = append(kept, t)
			continue
		}
		key := strings.ToLower(printValue(cmp.Left))
		if list := lists[key]; list != nil {
			list.Op = OpIn
			list.Right = append(list.Right, cmp.Right[0])
			continue
		}
		list := &Comparison{Left: cmp.Left, Op: OpEqual, Right: cmp.Right[:1:1], at: cmp.at}
		lists[key] = list
		kept = append(kept, list)
	}
	return kept
}

// balanced joins terms as a tree of logarithmic depth: SQLite limits the depth of
// an expression, and long OR chains are common in generated statements.
func balanced(terms []string, word string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	return "(" + balanced(terms[:half], word) + word + balanced(terms[half:], word) + ")"
}

func (c *compiler) comparison(s *scope, cmp *Comparison, having bool) string {
	left := c.operand(s, cmp.Left, having)
	if cmp.Op == opMatch {
		c.args = append(c.args, cmp.Right[0].Text)
		return matchFunction + "(" + left.sql + ",?)"
	}
	c.mustFilter(left, cmp)
	if cmp.Subquery != nil {
		return c.semiJoin(left, cmp)
	}
	switch cmp.Op {
	case OpIn, OpNotIn:
		return c.inList(left, cmp)
	case OpLike:
		return c.like(left, cmp)
	case OpIncludes, OpExcludes:
		return c.includes(left, cmp)
	default:
		return c.compare(left, cmp.Op, cmp.Right[0])
	}
}

// mustFilter refuses what the org cannot filter by.
func (c *compiler) mustFilter(left operand, cmp *Comparison) {
	f := left.field
	if f == nil {
		return
	}
	if f.Type == schema.TypeAddress || f.Type == schema.TypeLocation || f.Type == schema.TypeBase64 || f.Type == schema.TypeTextArea && f.Length > 255 {
		c.refuse(cmp.Left.where(), CodeField, "field '%s' can not be filtered in a query call", left.label)
	}
}

func (c *compiler) compare(left operand, op Op, right Literal) string {
	if right.Kind == LiteralPeriod {
		return c.comparePeriod(left, op, right)
	}
	value := c.value(left, right)
	if value == nil {
		switch op {
		case OpEqual:
			return left.sql + " IS NULL"
		case OpNotEqual:
			return left.sql + " IS NOT NULL"
		}
		c.refuse(right.at, CodeOperator, "invalid operator for null: %s", op)
	}
	if _, isBool := value.(bool); isBool && op != OpEqual && op != OpNotEqual {
		c.refuse(right.at, CodeOperator, "invalid operator on boolean field: %s", op)
	}
	c.args = append(c.args, value)
	if op == OpNotEqual {
		return left.sql + " IS NOT ?" // true for records without a value
	}
	return left.sql + " " + string(op) + " ?"
}

// comparePeriod compares with a span of time: = is within, < before, > after.
func (c *compiler) comparePeriod(left operand, op Op, right Literal) string {
	if left.kind != schema.TypeDate && left.kind != schema.TypeDateTime {
		c.wrongType(left, right)
	}
	span := periodOf(right.Text, right.N, c.opts.Now)
	from, until := span.from.Unix(), span.until.Unix()
	switch op {
	case OpEqual:
		c.args = append(c.args, from, until)
		return left.sql + " >= ? AND " + left.sql + " < ?"
	case OpNotEqual:
		c.args = append(c.args, from, until)
		return left.sql + " IS NULL OR " + left.sql + " < ? OR " + left.sql + " >= ?"
	case OpLess, OpGreaterOrEqual:
		c.args = append(c.args, from)
		return left.sql + " " + string(op) + " ?"
	case OpLessOrEqual:
		c.args = append(c.args, until)
		return left.sql + " < ?"
	default:
		c.args = append(c.args, until)
		return left.sql + " >= ?"
	}
}

// inList compiles IN and NOT IN over literals. NOT IN is true without a value.
func (c *compiler) inList(left operand, cmp *Comparison) string {
	var marks []string
	null := false
	var spans []string
	seen := map[string]bool{}
	for _, l := range cmp.Right {
		written := l.String()
		if seen[written] {
			continue
		}
		seen[written] = true
		if l.Kind == LiteralPeriod {
			spans = append(spans, "("+c.comparePeriod(left, OpEqual, l)+")")
			continue
		}
		v := c.value(left, l)
		if v == nil {
			null = true
			continue
		}
		marks = append(marks, "?")
		c.args = append(c.args, v)
	}
	if len(spans) > 0 && len(marks) > 0 {
		c.refuse(cmp.at, CodeMalformed, "date literals and dates do not mix in one list")
	}
	alternatives := spans
	if len(marks) > 0 {
		alternatives = append(alternatives, left.sql+" IN ("+strings.Join(marks, ",")+")")
	}
	if null {
		alternatives = append(alternatives, left.sql+" IS NULL")
	}
	in := balanced(alternatives, " OR ")
	if cmp.Op == OpNotIn {
		return "NOT COALESCE((" + in + "),0)"
	}
	return in
}

// semiJoin compiles Id IN (SELECT ...). The subquery selects one Id or reference.
func (c *compiler) semiJoin(left operand, cmp *Comparison) string {
	sub := cmp.Subquery
	if left.kind != schema.TypeID && left.kind != schema.TypeReference {
		c.refuse(cmp.Left.where(), CodeMalformed, "The left operand of a semi-join must be an id or reference: %s", left.label)
	}
	if len(sub.Select) != 1 || len(sub.GroupBy) > 0 || sub.Having != nil || len(sub.OrderBy) > 0 || sub.Limit >= 0 || sub.Offset > 0 {
		c.refuse(sub.fromAt, CodeMalformed, "a semi-join subquery selects one field and has no GROUP BY, ORDER BY or LIMIT")
	}
	s := c.scope(sub)
	column := c.operand(s, sub.Select[0].Value, false)
	if column.kind != schema.TypeID && column.kind != schema.TypeReference {
		c.refuse(sub.Select[0].Value.where(), CodeMalformed, "The inner select field '%s' must be an id or reference", column.label)
	}
	where := c.where(s, sub.Where)
	inner := "SELECT " + column.sql + s.from() + where
	if cmp.Op == OpNotIn {
		return "NOT COALESCE(" + left.sql + " IN (SELECT * FROM (" + inner + ") WHERE 1 AND " + notNull(column) + "),0)"
	}
	return left.sql + " IN (" + inner + ")"
}

// like matches without regard to case; % and _ are wildcards unless escaped.
func (c *compiler) like(left operand, cmp *Comparison) string {
	if l := cmp.Right[0]; l.Kind != LiteralString || !(&schema.Field{Type: left.kind}).IsText() {
		c.refuse(cmp.at, CodeOperator, "invalid operator on field %s: LIKE needs text", left.label)
	}
	pattern, _ := unescape(cmp.Right[0].Text, true)
	if len(pattern) > maxPattern {
		panic(&Error{Code: codeTooLarge, Message: "LIKE pattern is too long"})
	}
	if isASCII(pattern) {
		c.args = append(c.args, pattern)
		return left.sql + ` LIKE ? ESCAPE '\'`
	}
	c.args = append(c.args, strings.ToLower(pattern))
	return foldFunction + "(" + left.sql + `) LIKE ? ESCAPE '\'`
}

// includes matches multi-select picklists; a;b in one literal means both.
func (c *compiler) includes(left operand, cmp *Comparison) string {
	if left.kind != schema.TypeMultiPicklist {
		c.refuse(cmp.at, CodeOperator, "%s is only valid on multi-select picklists: %s", cmp.Op, left.label)
	}
	var alternatives []string
	for _, l := range cmp.Right {
		text, ok := c.value(left, l).(string)
		if !ok {
			c.wrongType(left, l)
		}
		var every []string
		for _, value := range strings.Split(text, ";") {
			every = append(every, "instr("+foldFunction+"(';'||"+left.sql+"||';'),?)>0")
			c.args = append(c.args, strings.ToLower(";"+value+";"))
		}
		alternatives = append(alternatives, "("+balanced(every, " AND ")+")")
	}
	in := balanced(alternatives, " OR ")
	if cmp.Op == OpExcludes {
		return "NOT COALESCE((" + in + "),0)"
	}
	return in
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
