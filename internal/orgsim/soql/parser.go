package soql

import (
	"slices"
	"strconv"
	"strings"
)

// Limits of a statement.
const (
	maxStatement = 100_000
	maxOffset    = 2_000
	// maxDepth bounds nesting, so that no statement can exhaust the stack.
	maxDepth = 100
)

// parser walks the tokens. Refusals unwind as a panic of *Error, caught in Parse:
// the grammar reads as grammar that way.
type parser struct {
	source string
	tokens []token
	i      int
	depth  int
}

// caught turns an unwound refusal into an error and lets every other panic pass.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

// Parse reads one statement. A refusal is an [*Error].
func Parse(source string) (q *Query, err error) {
	if len(source) > maxStatement {
		return nil, &Error{Code: CodeMalformed, Message: "SOQL statements cannot be longer than 100000 characters."}
	}
	p := &parser{source: source, tokens: scan(source)}
	defer caught(&err)
	parsed := p.query()
	if p.peek().kind != tokenEnd {
		p.unexpected()
	}
	return parsed, nil
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) peekAt(n int) token {
	return p.tokens[min(p.i+n, len(p.tokens)-1)]
}

func (p *parser) next() token {
	t := p.tokens[p.i]
	if p.i < len(p.tokens)-1 {
		p.i++
	}
	return t
}

func (p *parser) refuse(at position, code, format string, args ...any) {
	panic(errorAt(p.source, at, code, format, args...))
}

func (p *parser) unexpected() {
	t := p.peek()
	p.refuse(t.at, CodeMalformed, "unexpected token: '%s'", t.shown())
}

// accept takes the keyword or symbol if it is next.
func (p *parser) accept(words ...string) bool {
	for n, word := range words {
		if !p.peekAt(n).is(word) {
			return false
		}
	}
	for range words {
		p.next()
	}
	return true
}

func (p *parser) expect(words ...string) {
	for _, word := range words {
		if !p.accept(word) {
			p.unexpected()
		}
	}
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.refuse(p.peek().at, CodeMalformed, "statement is nested too deeply")
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) name() token {
	if p.peek().kind != tokenName {
		p.unexpected()
	}
	return p.next()
}

func (p *parser) query() *Query {
	p.enter()
	defer p.leave()
	q := &Query{Source: p.source, Limit: -1}
	p.expect("SELECT")
	for {
		q.Select = append(q.Select, p.selectItem())
		if !p.accept(",") {
			break
		}
	}
	p.expect("FROM")
	from := p.name()
	q.From, q.fromAt = from.text, from.at
	for p.accept(".") { // a child subquery may say Account.Contacts
		q.From += "." + p.name().text
	}
	p.accept("AS")
	if t := p.peek(); t.kind == tokenName && !isClause(t.text) {
		q.Alias = p.next().text
	}
	p.clauses(q)
	return q
}

// isClause says that a word after FROM begins a clause and is no alias.
func isClause(word string) bool {
	return slices.Contains([]string{
		"USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE", "ALL",
	}, strings.ToUpper(word))
}

// clauses reads what follows FROM, in the language's fixed order.
func (p *parser) clauses(q *Query) {
	if p.accept("USING", "SCOPE") {
		p.name()
	}
	if p.accept("WHERE") {
		q.Where = p.condition()
	}
	if p.accept("WITH") {
		p.name()
	}
	if p.accept("GROUP", "BY") {
		q.GroupBy = p.values()
	}
	if p.accept("HAVING") {
		q.Having = p.condition()
	}
	if p.accept("ORDER", "BY") {
		q.OrderBy = p.orders()
	}
	if p.accept("LIMIT") {
		q.limitAt = p.peek().at
		q.Limit = p.count()
	}
	if p.accept("OFFSET") {
		q.offsetAt = p.peek().at
		if q.Offset = p.count(); q.Offset > maxOffset {
			p.refuse(q.offsetAt, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is %d", maxOffset)
		}
	}
	for p.accept("FOR") {
		if !p.accept("VIEW") && !p.accept("REFERENCE") && !p.accept("UPDATE") {
			p.unexpected()
		}
	}
	if p.accept("ALL", "ROWS") {
		q.AllRows = true
	}
}

func (p *parser) count() int {
	n, err := strconv.Atoi(p.peek().text)
	if p.peek().kind != tokenNumber || err != nil || n < 0 {
		p.unexpected()
	}
	p.next()
	return n
}

func (p *parser) selectItem() SelectItem {
	if p.peek().is("(") && p.peekAt(1).is("SELECT") {
		at := p.next().at
		child := &ChildQuery{Query: p.query(), at: at}
		p.expect(")")
		return SelectItem{Value: child}
	}
	if p.peek().is("TYPEOF") && p.peekAt(1).kind == tokenName && !p.peekAt(1).is("FROM") {
		return SelectItem{Value: p.typeOf()}
	}
	item := SelectItem{Value: p.value()}
	if t := p.peek(); t.kind == tokenName && !t.is("FROM") {
		item.Alias = p.next().text
	}
	return item
}

func (p *parser) values() []Value {
	values := []Value{p.value()}
	for p.accept(",") {
		values = append(values, p.value())
	}
	return values
}

// typeOf reads TYPEOF What WHEN Account THEN Phone, Name ELSE Name END.
func (p *parser) typeOf() *TypeOf {
	t := &TypeOf{at: p.next().at}
	t.Relationship = p.path()
	for p.peek().is("WHEN") {
		when := When{at: p.next().at}
		when.Type = p.name().text
		p.expect("THEN")
		when.Fields = p.paths()
		t.Whens = append(t.Whens, when)
	}
	if len(t.Whens) == 0 {
		p.unexpected()
	}
	if p.accept("ELSE") {
		t.Else = p.paths()
	}
	p.expect("END")
	return t
}

func (p *parser) paths() []*FieldPath {
	paths := []*FieldPath{p.path()}
	for p.accept(",") {
		paths = append(paths, p.path())
	}
	return paths
}

func (p *parser) path() *FieldPath {
	first := p.name()
	path := &FieldPath{Names: []string{first.text}, at: first.at}
	for p.accept(".") {
		path.Names = append(path.Names, p.name().text)
	}
	return path
}

// arguments reads values and literals; which function takes which is the compiler's matter.
func (p *parser) arguments() []Value {
	var args []Value
	for {
		if kind := p.peek().kind; kind == tokenString || kind == tokenNumber {
			args = append(args, &Constant{Literal: p.literal()})
		} else {
			args = append(args, p.value())
		}
		if !p.accept(",") {
			return args
		}
	}
}

// value reads a field path or a function call.
func (p *parser) value() Value {
	p.enter()
	defer p.leave()
	if p.peek().kind != tokenName || !p.peekAt(1).is("(") {
		return p.path()
	}
	first := p.next()
	p.expect("(")
	call := &Call{Name: strings.ToUpper(first.text), at: first.at}
	if !p.peek().is(")") {
		call.Args = p.arguments()
	}
	p.expect(")")
	return call
}

func (p *parser) orders() []Order {
	var orders []Order
	for {
		o := Order{Value: p.value()}
		if !p.accept("ASC") {
			o.Desc = p.accept("DESC")
		}
		if p.accept("NULLS") {
			if o.NullsLast = p.accept("LAST"); !o.NullsLast {
				p.expect("FIRST")
			}
		}
		orders = append(orders, o)
		if !p.accept(",") {
			return orders
		}
	}
}
