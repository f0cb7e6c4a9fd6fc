package formula

import (
	"fmt"
	"slices"
	"strings"
)

// Expr is a parsed formula.
type Expr struct {
	source string
	root   node
}

// Source returns the formula as written.
func (e *Expr) Source() string { return e.source }

// node is a constant, a field path or an operation.
type node struct {
	kind nodeKind
	text string // constant, path, function or operator (upper case)
	args []node
}

type nodeKind int

const (
	nodeNumber nodeKind = iota
	nodeText
	nodeWord // TRUE, FALSE, NULL
	nodePath
	nodeCall
	nodeOperator
)

// Limits that keep every formula within what a database takes.
const (
	maxLength = 3_900 // of a formula, as in the org
	maxDepth  = 50
	maxChain  = 200    // operators of one level in a row
	maxSQL    = 20_000 // of the result: nested functions multiply it
)

// Parse reads a formula.
func Parse(source string) (*Expr, error) {
	if len(source) > maxLength {
		return nil, fmt.Errorf("formula is longer than %d characters", maxLength)
	}
	tokens, err := scan(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	root, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokenEnd {
		return nil, p.unexpected()
	}
	return &Expr{source: source, root: root}, nil
}

type parser struct {
	tokens []token
	i      int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != tokenEnd {
		p.i++
	}
	return t
}

func (p *parser) unexpected() error {
	return fmt.Errorf("unexpected %s at character %d", p.peek().text, p.peek().at+1)
}

func (p *parser) accept(symbol string) bool {
	if t := p.peek(); t.kind == tokenSymbol && t.text == symbol {
		p.next()
		return true
	}
	return false
}

// levels are the binary operators, loosest first.
func levels() [][]string {
	return [][]string{{"||"}, {"&&"}, {"=", "==", "<>", "!="}, {"<", "<=", ">", ">="}, {"+", "-", "&"}, {"*", "/"}}
}

func (p *parser) binary(level int) (node, error) {
	all := levels()
	if level == len(all) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		t := p.peek()
		if t.kind != tokenSymbol || !slices.Contains(all[level], t.text) {
			return left, nil
		}
		p.next()
		var right node
		right, err = p.binary(level + 1)
		left = node{kind: nodeOperator, text: t.text, args: []node{left, right}}
		if chainOf(left) > maxChain {
			return node{}, fmt.Errorf("formula is nested too deeply at character %d", t.at+1)
		}
	}
	return node{}, err
}

// chainOf follows the left side, which is where a long chain grows.
func chainOf(n node) int {
	depth := 0
	for n.kind == nodeOperator && len(n.args) > 0 {
		n = n.args[0]
		depth++
	}
	return depth
}

func (p *parser) unary() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return node{}, fmt.Errorf("formula is nested too deeply at character %d", p.peek().at+1)
	}
	defer func() { p.depth-- }()
	for _, symbol := range []string{"-", "!"} {
		if p.accept(symbol) {
			of, err := p.unary()
			return node{kind: nodeOperator, text: symbol, args: []node{of}}, err
		}
	}
	if p.accept("(") {
		inner, err := p.binary(0)
		if err == nil && !p.accept(")") {
			err = p.unexpected()
		}
		return inner, err
	}
	return p.primary()
}

func (p *parser) primary() (node, error) {
	switch t := p.peek(); t.kind {
	case tokenNumber:
		p.next()
		if strings.Count(t.text, ".") > 1 {
			return node{}, fmt.Errorf("%s at character %d is no number", t.text, t.at+1)
		}
		return node{kind: nodeNumber, text: t.text}, nil
	case tokenString:
		p.next()
		return node{kind: nodeText, text: t.text}, nil
	case tokenName:
		p.next()
		if p.accept("(") {
			return p.call(t)
		}
		if word := strings.ToUpper(t.text); word == "TRUE" || word == "FALSE" || word == "NULL" {
			return node{kind: nodeWord, text: word}, nil
		}
		return node{kind: nodePath, text: t.text}, nil
	}
	return node{}, p.unexpected()
}

func (p *parser) call(name token) (node, error) {
	n := node{kind: nodeCall, text: strings.ToUpper(name.text)}
	if p.accept(")") {
		return n, nil
	}
	for {
		arg, err := p.binary(0)
		if err != nil {
			return node{}, err
		}
		n.args = append(n.args, arg)
		if p.accept(",") {
			continue
		}
		if !p.accept(")") {
			return node{}, p.unexpected()
		}
		return n, nil
	}
}
