package soql

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// value turns a literal into the parameter that compares with the operand, nil
// for null and for the empty string, which the org does not tell apart.
func (c *compiler) value(left operand, l Literal) any {
	if l.Kind == LiteralNull {
		return nil
	}
	switch left.kind {
	case schema.TypeBoolean:
		if l.Kind == LiteralBool {
			return l.Text == "TRUE"
		}
	case schema.TypeInt, schema.TypeDouble, schema.TypeCurrency, schema.TypePercent:
		if l.Kind == LiteralNumber {
			x, err := strconv.ParseFloat(l.Text, 64)
			if err == nil {
				return x
			}
		}
	case schema.TypeDate:
		if l.Kind == LiteralDate {
			t, _ := time.Parse(time.DateOnly, l.Text) // the parser has read it
			return t.Unix()
		}
	case schema.TypeDateTime:
		if l.Kind == LiteralDateTime {
			t, _ := parseDateTime(l.Text)
			return t.Unix()
		}
	case schema.TypeTime:
		if l.Kind == LiteralString {
			return l.Text
		}
	case schema.TypeID, schema.TypeReference:
		return c.idValue(left, l)
	default:
		if l.Kind == LiteralString {
			return textValue(l)
		}
	}
	c.wrongType(left, l)
	return nil
}

func textValue(l Literal) any {
	text, _ := unescape(l.Text, false)
	if text == "" {
		return nil
	}
	return text
}

func (c *compiler) idValue(left operand, l Literal) any {
	if l.Kind != LiteralString {
		c.wrongType(left, l)
	}
	if l.Text == "" {
		return nil
	}
	id, err := salesforce.ParseID(l.Text)
	if err != nil {
		c.refuse(l.at, CodeOperator, "invalid ID field: %s", l.Text)
	}
	return string(id)
}

// wrongType refuses a literal whose form does not suit the field.
func (c *compiler) wrongType(left operand, l Literal) {
	quotes := "should not be enclosed in quotes"
	name := string(left.kind)
	switch {
	case (&schema.Field{Type: left.kind}).IsText():
		name, quotes = "string", "should be enclosed in quotes"
	case left.kind == schema.TypeID, left.kind == schema.TypeReference:
		name, quotes = "id", "should be enclosed in quotes"
	case left.kind == schema.TypeDateTime:
		name = "dateTime"
	}
	c.refuse(l.at, CodeField, "value of filter criterion for field '%s' must be of type %s and %s", left.label, name, quotes)
}

// notNull keeps rows without a value out of an anti-join's right side, where one
// NULL would make SQL's NOT IN unknown for every row.
func notNull(o operand) string {
	return o.sql[strings.IndexByte(o.sql, '.')+1:] + " IS NOT NULL"
}
