package soql

import (
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// operand is a compiled value: a column, an aggregate or a date function.
type operand struct {
	sql       string
	kind      schema.Type
	field     *schema.Field // nil for functions
	label     string        // as the statement names it
	aggregate bool
	scale     int // decimals when spelled by FORMAT
}

func isAggregate(name string) bool {
	switch name {
	case "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX":
		return true
	}
	return false
}

// operand compiles a value; aggregates only where they make sense.
func (c *compiler) operand(s *scope, v Value, aggregates bool) operand {
	switch v := v.(type) {
	case *FieldPath:
		loc := s.resolve(v)
		o := operand{
			sql: c.sql(loc.source, loc.field), kind: loc.field.Type, field: loc.field, label: strings.Join(v.Names, "."), scale: loc.field.Scale,
		}
		if loc.source.poly && loc.field.IsText() {
			o.sql += " COLLATE " + Collation // a column of a UNION has lost it
		}
		return o
	case *Call:
		return c.call(s, v, aggregates)
	}
	if _, isQuery := v.(*ChildQuery); isQuery {
		c.refuse(v.where(), CodeMalformed, "a child subquery cannot stand here")
	}
	c.refuse(v.where(), CodeMalformed, "unexpected token: '%s'", printValue(v))
	return operand{}
}

func (c *compiler) call(s *scope, v *Call, aggregates bool) operand {
	switch {
	case isAggregate(v.Name) && aggregates:
		return c.aggregate(s, v)
	case v.Name == "GROUPING" && aggregates:
		return c.grouping(s, v)
	case v.Name == "DISTANCE":
		return c.distance(s, v)
	case v.Name == "TOLABEL", v.Name == "FORMAT", v.Name == "CONVERTCURRENCY", v.Name == "CONVERTTIMEZONE":
		// Labels are the values, there is one currency, and users live in UTC.
		if len(v.Args) != 1 {
			c.refuse(v.at, CodeMalformed, "%s needs one field", v.Name)
		}
		return c.operand(s, v.Args[0], aggregates)
	}
	return c.dateFunction(s, v)
}

func (c *compiler) aggregate(s *scope, call *Call) operand {
	if call.Name == "COUNT" && len(call.Args) == 0 {
		return operand{sql: "COUNT(*)", kind: schema.TypeInt, label: "COUNT()", aggregate: true}
	}
	if len(call.Args) != 1 {
		c.refuse(call.at, CodeMalformed, "%s needs one field", call.Name)
	}
	of := c.operand(s, call.Args[0], false)
	if of.kind == schema.TypeAddress || of.kind == schema.TypeLocation || of.kind == schema.TypeBoolean && call.Name != "COUNT" {
		c.refuse(call.at, CodeField, "field %s does not support aggregate operator %s", of.label, call.Name)
	}
	result := operand{kind: schema.TypeInt, label: call.Name + "(" + of.label + ")", aggregate: true, scale: of.scale}
	switch call.Name {
	case "COUNT":
		result.sql = "COUNT(" + of.sql + ")"
	case "COUNT_DISTINCT":
		result.sql = "COUNT(DISTINCT " + of.sql + ")"
	case "MIN", "MAX":
		result.sql, result.kind = call.Name+"("+of.sql+")", of.kind
	default:
		if !(&schema.Field{Type: of.kind}).IsNumber() {
			c.refuse(call.at, CodeField, "field %s does not support aggregate operator %s", of.label, call.Name)
		}
		result.sql, result.kind = call.Name+"("+of.sql+")", schema.TypeDouble
		if call.Name == "SUM" {
			result.kind = of.kind
		}
	}
	return result
}

// dateFunction compiles the functions that take a date apart, in UTC.
func (c *compiler) dateFunction(s *scope, call *Call) operand {
	parts := map[string]string{
		"CALENDAR_YEAR": "%Y", "FISCAL_YEAR": "%Y", "CALENDAR_MONTH": "%m", "FISCAL_MONTH": "%m", "DAY_IN_MONTH": "%d",
		"DAY_IN_YEAR": "%j", "HOUR_IN_DAY": "%H", "DAY_IN_WEEK": "%w", "CALENDAR_QUARTER": "%m", "FISCAL_QUARTER": "%m", "DAY_ONLY": "",
		"WEEK_IN_MONTH": "%d", "WEEK_IN_YEAR": "%j",
	}
	format, known := parts[call.Name]
	if !known {
		c.refuse(call.at, CodeMalformed, "unexpected token: '%s'", call.Name)
	}
	if len(call.Args) != 1 || !isDatePath(call.Args[0]) {
		c.refuse(call.at, CodeMalformed, "%s needs one field", call.Name)
	}
	of := c.operand(s, call.Args[0], false)
	if of.kind != schema.TypeDate && of.kind != schema.TypeDateTime || of.kind == schema.TypeDate && (call.Name == "HOUR_IN_DAY" || call.Name == "DAY_ONLY") {
		c.refuse(call.at, CodeField, "field %s does not support the function %s", of.label, call.Name)
	}
	result := operand{kind: schema.TypeInt, label: call.Name + "(" + of.label + ")"}
	number := fmt.Sprintf("CAST(strftime('%s',%s,'unixepoch') AS INTEGER)", format, of.sql)
	switch call.Name {
	case "DAY_ONLY":
		result.kind = schema.TypeDate
		result.sql = fmt.Sprintf("CAST(strftime('%%s',date(%s,'unixepoch')) AS INTEGER)", of.sql)
	case "DAY_IN_WEEK": // Sunday is 1
		result.sql = "(" + number + "+1)"
	case "WEEK_IN_MONTH", "WEEK_IN_YEAR": // the first seven days are week 1
		result.sql = "((" + number + "+6)/7)"
	case "CALENDAR_QUARTER", "FISCAL_QUARTER":
		result.sql = "((" + number + "+2)/3)"
	default:
		result.sql = number
	}
	return result
}

// isDatePath says that a date function may be asked of the value: a field, or a
// field moved to the user's time zone.
func isDatePath(v Value) bool {
	if call, ok := v.(*Call); ok {
		return call.Name == "CONVERTTIMEZONE" && len(call.Args) == 1 && isDatePath(call.Args[0])
	}
	_, ok := v.(*FieldPath)
	return ok
}
