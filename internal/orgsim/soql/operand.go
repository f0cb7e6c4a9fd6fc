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
			sql: c.sql(loc.source, loc.field), kind: loc.field.Type, field: loc.field, label: strings.Join(v.Names, "."),
		}
		if loc.source.poly && loc.field.IsText() {
			o.sql += " COLLATE " + Collation // a column of a UNION has lost it
		}
		return o
	case *Call:
		if isAggregate(v.Name) && aggregates {
			return c.aggregate(s, v)
		}
		return c.dateFunction(s, v)
	}
	c.refuse(v.where(), CodeMalformed, "a child subquery cannot stand here")
	return operand{}
}

func (c *compiler) aggregate(s *scope, call *Call) operand {
	if call.Name == "COUNT" && len(call.Args) == 0 {
		return operand{sql: "COUNT(*)", kind: schema.TypeInt, label: "COUNT()", aggregate: true}
	}
	if len(call.Args) != 1 {
		c.refuse(call.at, CodeMalformed, "%s needs one field", call.Name)
	}
	of := c.operand(s, call.Args[0], false)
	if of.kind == schema.TypeAddress || of.kind == schema.TypeBoolean && call.Name != "COUNT" {
		c.refuse(call.at, CodeField, "field %s does not support aggregate operator %s", of.label, call.Name)
	}
	result := operand{kind: schema.TypeInt, label: call.Name + "(" + of.label + ")", aggregate: true}
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
	}
	format, known := parts[call.Name]
	if !known {
		c.refuse(call.at, CodeMalformed, "unexpected token: '%s'", call.Name)
	}
	path, ok := onlyField(call)
	if !ok {
		c.refuse(call.at, CodeMalformed, "%s needs one field", call.Name)
	}
	of := c.operand(s, path, false)
	if of.kind != schema.TypeDate && of.kind != schema.TypeDateTime {
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
	case "CALENDAR_QUARTER", "FISCAL_QUARTER":
		result.sql = "((" + number + "+2)/3)"
	default:
		result.sql = number
	}
	return result
}
