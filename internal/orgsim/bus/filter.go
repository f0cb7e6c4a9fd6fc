package bus

import (
	"cmp"
	"strings"
	"time"
)

// Filter is a condition on an event's fields: a channel member's filter expression,
// or what follows WHERE in a PushTopic's query. It knows =, !=, <, >, <=, >=, LIKE,
// IN, AND, OR, NOT and parentheses; text compares without regard to case.
type Filter struct {
	root   condition
	fields []string
}

// Match reports whether the fields, asked for by name, meet the condition.
func (f *Filter) Match(value func(name string) any) bool {
	return f == nil || f.root.holds(value)
}

// Fields returns the names in the condition, each once, in order of appearance.
func (f *Filter) Fields() []string {
	if f == nil {
		return nil
	}
	return f.fields
}

type condition interface {
	holds(value func(string) any) bool
}

type (
	both       struct{ a, b condition }
	either     struct{ a, b condition }
	negation   struct{ of condition }
	comparison struct {
		field, operator string
		literals        []any // nil, string, float64, bool or time.Time; several for IN
	}
)

func (c both) holds(value func(string) any) bool     { return c.a.holds(value) && c.b.holds(value) }
func (c either) holds(value func(string) any) bool   { return c.a.holds(value) || c.b.holds(value) }
func (c negation) holds(value func(string) any) bool { return !c.of.holds(value) }

func (c comparison) holds(value func(string) any) bool {
	v := value(c.field)
	switch c.operator {
	case "IN":
		for _, l := range c.literals {
			if order, ok := compare(v, l); ok && order == 0 {
				return true
			}
		}
		return false
	case "LIKE":
		text, isText := v.(string)
		pattern, _ := c.literals[0].(string)
		return isText && like(strings.ToLower(pattern), strings.ToLower(text))
	}
	order, comparable := compare(v, c.literals[0])
	switch c.operator {
	case "=":
		return comparable && order == 0
	case "!=":
		return !comparable || order != 0
	case "<":
		return comparable && order < 0 && v != nil
	case ">":
		return comparable && order > 0 && v != nil
	case "<=":
		return comparable && order <= 0 && v != nil
	default:
		return comparable && order >= 0 && v != nil
	}
}

// compare orders a field's value and a literal; ok is false for values that have
// no order between them, null and anything else among them.
func compare(v, literal any) (order int, ok bool) {
	switch v := v.(type) {
	case nil:
		return 0, literal == nil
	case string:
		if day, isTime := literal.(time.Time); isTime { // a date, as a decoded event has it
			return cmp.Compare(v, day.Format(time.DateOnly)), true
		}
		l, isText := literal.(string)
		return cmp.Compare(strings.ToLower(v), strings.ToLower(l)), isText
	case bool:
		l, isBool := literal.(bool)
		if v == l {
			return 0, isBool
		}
		return 1, isBool
	case int64:
		l, isNumber := literal.(float64)
		return cmp.Compare(float64(v), l), isNumber
	case float64:
		l, isNumber := literal.(float64)
		return cmp.Compare(v, l), isNumber
	case time.Time:
		l, isTime := literal.(time.Time)
		return v.Compare(l), isTime
	default:
		return 0, false
	}
}

// like matches % (any text) and _ (any character), both sides in lower case.
func like(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	back, from := -1, 0 // where to go on after the last %
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '%':
			back, from = i+1, j
			i++
		case i < len(p) && (p[i] == '_' || p[i] == t[j]):
			i, j = i+1, j+1
		case back >= 0:
			from++
			i, j = back, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}
