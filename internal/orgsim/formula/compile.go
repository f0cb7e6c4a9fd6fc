package formula

import (
	"fmt"
	"strings"
)

// Kind is the type of an expression's value.
type Kind int

// The kinds. Dates and datetimes are seconds since 1970, booleans 0 and 1.
const (
	Null Kind = iota
	Text
	Number
	Boolean
	Date
	DateTime
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"null", "text", "number", "checkbox", "date", "datetime"}[k]
}

// NowFunction is the SQL function, without arguments, that the compiled
// expressions ask for the org's time in seconds.
const NowFunction = "org_now"

// Resolver says what field paths mean.
type Resolver interface {
	// Field returns the SQL expression and the kind of a path such as Account.Name.
	Field(path []string) (sql string, kind Kind, err error)
}

// Value is a compiled expression.
type Value struct {
	SQL  string
	Kind Kind
}

// Compile turns the formula into SQL. Errors say what is wrong in its author's words.
func (e *Expr) Compile(r Resolver) (Value, error) {
	return (&compiler{r}).node(e.root)
}

type compiler struct{ r Resolver }

// node compiles with blanks as zero and empty text.
func (c *compiler) node(n node) (Value, error) {
	v, err := c.raw(n)
	if err != nil || n.kind != nodePath {
		return v, err
	}
	switch v.Kind {
	case Number, Boolean:
		v.SQL = "COALESCE(" + v.SQL + ",0)"
	case Text:
		v.SQL = "COALESCE(" + v.SQL + ",'')"
	}
	return v, nil
}

// raw compiles without replacing blanks.
func (c *compiler) raw(n node) (Value, error) {
	v, err := c.form(n)
	if err == nil && len(v.SQL) > maxSQL {
		err = fmt.Errorf("formula is too complicated at %s", n.text)
	}
	return v, err
}

func (c *compiler) form(n node) (Value, error) {
	switch n.kind {
	case nodeNumber:
		return Value{n.text, Number}, nil
	case nodeText:
		return Value{quote(n.text), Text}, nil
	case nodeWord:
		return map[string]Value{"TRUE": {"1", Boolean}, "FALSE": {"0", Boolean}, "NULL": {"NULL", Null}}[n.text], nil
	case nodePath:
		sql, kind, err := c.r.Field(strings.Split(n.text, "."))
		return Value{sql, kind}, err
	case nodeOperator:
		return c.operator(n)
	default:
		return c.call(n)
	}
}

// quote writes a text literal. A zero byte would end it early.
func quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", "''") + "'"
}

func (c *compiler) operator(n node) (Value, error) {
	args, err := c.all(n.args)
	if err != nil {
		return Value{}, err
	}
	if len(args) == 1 {
		return prefix(n.text, args[0])
	}
	left, right := args[0], args[1]
	switch n.text {
	case "&&", "||":
		word := map[string]string{"&&": " AND ", "||": " OR "}[n.text]
		return Value{"(" + left.SQL + word + right.SQL + ")", Boolean}, want(n.text, Boolean, left, right)
	case "&":
		return Value{"(" + left.SQL + "||" + right.SQL + ")", Text}, want(n.text, Text, left, right)
	case "+", "-", "*", "/":
		return arithmetic(n.text, left, right)
	default:
		return compare(n.text, left, right)
	}
}

func prefix(operator string, of Value) (Value, error) {
	if operator == "!" {
		return Value{"(NOT " + of.SQL + ")", Boolean}, want(operator, Boolean, of)
	}
	return Value{"(-" + of.SQL + ")", Number}, want(operator, Number, of)
}

const day = "86400"

// arithmetic also moves dates by days and subtracts them.
func arithmetic(operator string, left, right Value) (Value, error) {
	moment := func(v Value) bool { return v.Kind == Date || v.Kind == DateTime }
	switch {
	case operator == "+" && left.Kind == Text && right.Kind == Text:
		return Value{"(" + left.SQL + "||" + right.SQL + ")", Text}, nil
	case moment(left) && right.Kind == Number && (operator == "+" || operator == "-"):
		return Value{"CAST(" + left.SQL + operator + right.SQL + "*" + day + " AS INTEGER)", left.Kind}, nil
	case moment(left) && left.Kind == right.Kind && operator == "-":
		return Value{"((" + left.SQL + "-" + right.SQL + ")/" + day + ".0)", Number}, nil
	case operator == "/":
		return Value{"(1.0*" + left.SQL + "/" + right.SQL + ")", Number}, want(operator, Number, left, right)
	default:
		return Value{"(" + left.SQL + operator + right.SQL + ")", Number}, want(operator, Number, left, right)
	}
}

func compare(operator string, left, right Value) (Value, error) {
	if left.Kind != right.Kind && left.Kind != Null && right.Kind != Null {
		return Value{}, fmt.Errorf("operator %s cannot compare %s with %s", operator, left.Kind, right.Kind)
	}
	switch operator {
	case "=", "==":
		operator = " IS "
	case "<>", "!=":
		operator = " IS NOT "
	}
	binary := ""
	if left.Kind == Text {
		binary = " COLLATE BINARY" // unlike queries, formulas mind case
	}
	return Value{"COALESCE(" + left.SQL + binary + operator + right.SQL + ",0)", Boolean}, nil
}

func (c *compiler) all(nodes []node) ([]Value, error) {
	values := make([]Value, len(nodes))
	for i, n := range nodes {
		v, err := c.node(n)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

func want(what string, kind Kind, values ...Value) error {
	for _, v := range values {
		if v.Kind != kind && v.Kind != Null {
			return fmt.Errorf("%s needs %s, not %s", what, kind, v.Kind)
		}
	}
	return nil
}
