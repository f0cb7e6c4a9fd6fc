package formula

import (
	"fmt"
	"strings"
)

// call compiles a function.
func (c *compiler) call(n node) (Value, error) {
	switch n.text {
	case "ISBLANK", "ISNULL", "BLANKVALUE", "NULLVALUE":
		return c.blank(n)
	}
	args, err := c.all(n.args)
	if err != nil {
		return Value{}, err
	}
	switch n.text {
	case "IF", "CASE":
		return choice(n.text, args)
	case "AND", "OR":
		return junction(n.text, args)
	case "MIN", "MAX":
		if len(args) < 2 {
			return Value{}, fmt.Errorf("%s needs two or more numbers", n.text)
		}
		return Value{n.text + "(" + join(args) + ")", Number}, want(n.text, Number, args...)
	case "TEXT":
		return asText(args)
	}
	f, known := functions()[n.text]
	if !known {
		return Value{}, fmt.Errorf("unknown function %s", n.text)
	}
	return f.compile(n.text, args)
}

// function is one whose SQL is a template: $1 is the first argument.
type function struct {
	takes []Kind
	gives Kind
	sql   string
}

func functions() map[string]function {
	when := func(format string) string { return "CAST(strftime('" + format + "',$1,'unixepoch') AS INTEGER)" }
	return map[string]function{
		"NOT":           {[]Kind{Boolean}, Boolean, "(NOT $1)"},
		"ISPICKVAL":     {[]Kind{Text, Text}, Boolean, "($1 COLLATE BINARY IS $2)"},
		"CONTAINS":      {[]Kind{Text, Text}, Boolean, "(instr($1,$2)>0)"},
		"BEGINS":        {[]Kind{Text, Text}, Boolean, "(substr($1,1,length($2)) COLLATE BINARY=$2)"},
		"LEN":           {[]Kind{Text}, Number, "length($1)"},
		"LEFT":          {[]Kind{Text, Number}, Text, "substr($1,1,max(0,CAST($2 AS INTEGER)))"},
		"RIGHT":         {[]Kind{Text, Number}, Text, "(CASE WHEN $2<=0 THEN '' ELSE substr($1,-min(CAST($2 AS INTEGER),length($1))) END)"},
		"MID":           {[]Kind{Text, Number, Number}, Text, "substr($1,max(1,CAST($2 AS INTEGER)),max(0,CAST($3 AS INTEGER)))"},
		"UPPER":         {[]Kind{Text}, Text, "upper($1)"},
		"LOWER":         {[]Kind{Text}, Text, "lower($1)"},
		"TRIM":          {[]Kind{Text}, Text, "trim($1)"},
		"SUBSTITUTE":    {[]Kind{Text, Text, Text}, Text, "replace($1,$2,$3)"},
		"VALUE":         {[]Kind{Text}, Number, "CAST($1 AS REAL)"},
		"ROUND":         {[]Kind{Number, Number}, Number, "round($1,CAST($2 AS INTEGER))"},
		"ABS":           {[]Kind{Number}, Number, "abs($1)"},
		"FLOOR":         {[]Kind{Number}, Number, "(CAST($1 AS INTEGER)-($1<CAST($1 AS INTEGER)))"},
		"CEILING":       {[]Kind{Number}, Number, "(CAST($1 AS INTEGER)+($1>CAST($1 AS INTEGER)))"},
		"MOD":           {[]Kind{Number, Number}, Number, "(CAST($1 AS INTEGER)%CAST($2 AS INTEGER))"},
		"TODAY":         {nil, Date, "(" + NowFunction + "()/" + day + "*" + day + ")"},
		"NOW":           {nil, DateTime, NowFunction + "()"},
		"DATEVALUE":     {[]Kind{DateTime}, Date, "(($1/" + day + ")*" + day + ")"},
		"DATE":          {[]Kind{Number, Number, Number}, Date, "CAST(strftime('%s',printf('%04d-%02d-%02d',$1,$2,$3)) AS INTEGER)"},
		"YEAR":          {[]Kind{Date}, Number, when("%Y")},
		"MONTH":         {[]Kind{Date}, Number, when("%m")},
		"DAY":           {[]Kind{Date}, Number, when("%d")},
		"WEEKDAY":       {[]Kind{Date}, Number, "(" + when("%w") + "+1)"},
		"CASESAFEID":    {[]Kind{Text}, Text, "$1"},
		"INCLUDES":      {[]Kind{Text, Text}, Boolean, "(instr(';'||$1||';',';'||$2||';')>0)"},
		"DATETIMEVALUE": {[]Kind{Date}, DateTime, "$1"},
	}
}

func (f function) compile(name string, args []Value) (Value, error) {
	if len(args) != len(f.takes) {
		return Value{}, fmt.Errorf("%s takes %d arguments, not %d", name, len(f.takes), len(args))
	}
	pairs := make([]string, 0, 2*len(args))
	for i, arg := range args {
		if err := want(name, f.takes[i], arg); err != nil {
			return Value{}, err
		}
		pairs = append(pairs, fmt.Sprintf("$%d", i+1), arg.SQL)
	}
	return Value{strings.NewReplacer(pairs...).Replace(f.sql), f.gives}, nil
}

// blank compiles the functions that tell a blank field from zero.
func (c *compiler) blank(n node) (Value, error) {
	takes := 1
	if strings.HasSuffix(n.text, "VALUE") {
		takes = 2
	}
	if len(n.args) != takes {
		return Value{}, fmt.Errorf("%s takes %d arguments, not %d", n.text, takes, len(n.args))
	}
	of, err := c.raw(n.args[0])
	if err != nil {
		return Value{}, err
	}
	sql := of.SQL
	if of.Kind == Text {
		sql = "NULLIF(" + sql + ",'')"
	}
	if takes == 1 {
		return Value{"(" + sql + " IS NULL)", Boolean}, nil
	}
	otherwise, err := c.node(n.args[1])
	if err != nil {
		return Value{}, err
	}
	return Value{"COALESCE(" + sql + "," + otherwise.SQL + ")", of.Kind}, want(n.text, of.Kind, otherwise)
}

// choice compiles IF(test, a, b) and CASE(value, v1, r1, ..., otherwise).
func choice(name string, args []Value) (Value, error) {
	var sql strings.Builder
	var results []Value
	if name == "IF" {
		if len(args) != 3 {
			return Value{}, fmt.Errorf("IF takes 3 arguments, not %d", len(args))
		}
		if err := want(name, Boolean, args[0]); err != nil {
			return Value{}, err
		}
		results = args[1:]
		fmt.Fprintf(&sql, "CASE WHEN %s THEN %s ELSE %s END", args[0].SQL, args[1].SQL, args[2].SQL)
	} else {
		if len(args) < 4 || len(args)%2 != 0 {
			return Value{}, fmt.Errorf("CASE takes a value, pairs and a default, not %d arguments", len(args))
		}
		sql.WriteString("CASE")
		for i := 1; i+1 < len(args); i += 2 {
			test, err := compare("=", args[0], args[i])
			if err != nil {
				return Value{}, err
			}
			results = append(results, args[i+1])
			fmt.Fprintf(&sql, " WHEN %s THEN %s", test.SQL, args[i+1].SQL)
		}
		results = append(results, args[len(args)-1])
		sql.WriteString(" ELSE " + args[len(args)-1].SQL + " END")
	}
	kind := Null
	for _, r := range results {
		if kind == Null {
			kind = r.Kind
		}
	}
	return Value{"(" + sql.String() + ")", kind}, want(name, kind, results...)
}

func junction(name string, args []Value) (Value, error) {
	if len(args) == 0 {
		return Value{}, fmt.Errorf("%s needs arguments", name)
	}
	terms := make([]string, len(args))
	for i, a := range args {
		terms[i] = a.SQL
	}
	return Value{"(" + strings.Join(terms, " "+name+" ") + ")", Boolean}, want(name, Boolean, args...)
}

// asText compiles TEXT(). Whole numbers have no fraction.
func asText(args []Value) (Value, error) {
	if len(args) != 1 {
		return Value{}, fmt.Errorf("TEXT takes 1 argument, not %d", len(args))
	}
	of := args[0].SQL
	switch args[0].Kind {
	case Text, Null:
		return Value{of, Text}, nil
	case Number:
		return Value{"(CASE WHEN " + of + "=CAST(" + of + " AS INTEGER) THEN CAST(CAST(" + of + " AS INTEGER) AS TEXT) ELSE CAST(" + of + " AS TEXT) END)", Text}, nil
	case Date:
		return Value{"COALESCE(strftime('%Y-%m-%d'," + of + ",'unixepoch'),'')", Text}, nil
	case DateTime:
		return Value{"COALESCE(strftime('%Y-%m-%d %H:%M:%SZ'," + of + ",'unixepoch'),'')", Text}, nil
	}
	return Value{}, fmt.Errorf("TEXT does not take a %s", args[0].Kind)
}

func join(values []Value) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = v.SQL
	}
	return strings.Join(parts, ",")
}
