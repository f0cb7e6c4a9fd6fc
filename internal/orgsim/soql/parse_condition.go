package soql

import (
	"strconv"
	"strings"
	"time"
)

// condition reads terms joined by one operator. AND and OR do not mix without
// parentheses.
func (p *parser) condition() Condition {
	p.enter()
	defer p.leave()
	first := p.term()
	word := strings.ToUpper(p.peek().text)
	if p.peek().kind != tokenName || word != "AND" && word != "OR" {
		return first
	}
	logical := &Logical{Or: word == "OR", Terms: []Condition{first}}
	for p.accept(word) {
		logical.Terms = append(logical.Terms, p.term())
	}
	if t := p.peek(); t.is("AND") || t.is("OR") {
		p.unexpected()
	}
	return logical
}

func (p *parser) term() Condition {
	p.enter()
	defer p.leave()
	switch {
	case p.accept("NOT"):
		return &Not{Term: p.term()}
	case p.accept("("):
		c := p.condition()
		p.expect(")")
		return c
	default:
		return p.comparison()
	}
}

func (p *parser) comparison() Condition {
	c := &Comparison{Left: p.value(), at: p.peek().at}
	c.Op = p.operator()
	switch c.Op {
	case OpIn, OpNotIn:
		p.expect("(")
		if p.peek().is("SELECT") {
			c.Subquery = p.query()
		} else {
			c.Right = p.literals()
		}
		p.expect(")")
	case OpIncludes, OpExcludes:
		p.expect("(")
		c.Right = p.literals()
		p.expect(")")
	default:
		c.Right = []Literal{p.literal()}
	}
	return c
}

func (p *parser) operator() Op {
	t := p.next()
	switch word := strings.ToUpper(t.text); {
	case t.kind == tokenSymbol && word == "<>":
		return OpNotEqual
	case t.kind == tokenSymbol && strings.Contains(" = != < <= > >= ", " "+word+" "):
		return Op(word)
	case t.kind == tokenName && (word == "LIKE" || word == "IN" || word == "INCLUDES" || word == "EXCLUDES"):
		return Op(word)
	case t.kind == tokenName && word == "NOT" && p.accept("IN"):
		return OpNotIn
	}
	p.refuse(t.at, CodeMalformed, "unexpected token: '%s'", t.shown())
	return ""
}

func (p *parser) literals() []Literal {
	list := []Literal{p.literal()}
	for p.accept(",") {
		list = append(list, p.literal())
	}
	return list
}

func (p *parser) literal() Literal {
	t := p.peek()
	l := Literal{Text: t.text, at: t.at}
	switch t.kind {
	case tokenString:
		l.Kind = LiteralString
		if _, ok := unescape(t.text, false); !ok {
			p.refuse(t.at, CodeMalformed, "Invalid string literal '%s'. Illegal character sequence in string literal.", t.text)
		}
	case tokenNumber:
		l.Kind = LiteralNumber
		if _, err := strconv.ParseFloat(t.text, 64); err != nil || strings.ContainsAny(t.text, "xXpP_nN") {
			p.unexpected()
		}
	case tokenDate:
		l.Kind = LiteralDate
		if _, err := time.Parse(time.DateOnly, t.text); err != nil {
			p.unexpected()
		}
	case tokenDateTime:
		l.Kind = LiteralDateTime
		if _, ok := parseDateTime(t.text); !ok {
			p.unexpected()
		}
	case tokenName:
		return p.wordLiteral()
	case tokenSymbol:
		if t.is(":") {
			p.refuse(t.at, CodeMalformed, "Bind variables only allowed in Apex code")
		}
		p.unexpected()
	default:
		p.unexpected()
	}
	p.next()
	return l
}

// wordLiteral reads null, true, false and date literals.
func (p *parser) wordLiteral() Literal {
	t := p.peek()
	word := strings.ToUpper(t.text)
	l := Literal{Text: word, at: t.at}
	switch {
	case word == "NULL":
		l.Kind = LiteralNull
	case word == "TRUE", word == "FALSE":
		l.Kind = LiteralBool
	case isPeriod(word):
		l.Kind = LiteralPeriod
	case isCountedPeriod(word) && p.peekAt(1).is(":"):
		p.next()
		p.next()
		l.Kind, l.N = LiteralPeriod, p.count()
		return l
	default:
		p.unexpected()
	}
	p.next()
	return l
}

func parseDateTime(s string) (time.Time, bool) {
	s = strings.ToUpper(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
