package bus

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filterToken is one word of a filter: text in quotes, a sign, or a run of letters,
// digits and what names, numbers and times are made of.
var filterToken = regexp.MustCompile(`^\s*('(?:[^'\\]|\\.)*'|!=|<>|<=|>=|[=<>(),]|[\w.:+-]+)`)

// maxFilterNesting bounds parentheses and NOTs within each other.
const maxFilterNesting = 64

// ParseFilter reads a condition.
func ParseFilter(text string) (*Filter, error) {
	tokens, err := filterTokens(text)
	if err != nil {
		return nil, fmt.Errorf("read filter: %w", err)
	}
	p := &filterParser{rest: tokens}
	root, err := p.disjunction()
	if err == nil && len(p.rest) > 0 {
		err = fmt.Errorf("unexpected %s", p.rest[0])
	}
	if err != nil {
		return nil, fmt.Errorf("read filter: %w", err)
	}
	return &Filter{root: root, fields: p.fields}, nil
}

func filterTokens(text string) ([]string, error) {
	var tokens []string
	for strings.TrimSpace(text) != "" {
		m := filterToken.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("unexpected character in %q", strings.TrimSpace(text))
		}
		tokens = append(tokens, m[1])
		text = text[len(m[0]):]
	}
	return tokens, nil
}

type filterParser struct {
	rest   []string
	depth  int
	fields []string
}

func (p *filterParser) next() (string, error) {
	if len(p.rest) == 0 {
		return "", errors.New("unexpected end")
	}
	token := p.rest[0]
	p.rest = p.rest[1:]
	return token, nil
}

func (p *filterParser) accept(word string) bool {
	if len(p.rest) == 0 || !strings.EqualFold(p.rest[0], word) {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *filterParser) disjunction() (condition, error) {
	left, err := p.conjunction()
	for err == nil && p.accept("OR") {
		var right condition
		right, err = p.conjunction()
		left = either{left, right}
	}
	return left, err
}

func (p *filterParser) conjunction() (condition, error) {
	left, err := p.term()
	for err == nil && p.accept("AND") {
		var right condition
		right, err = p.term()
		left = both{left, right}
	}
	return left, err
}

func (p *filterParser) term() (condition, error) {
	p.depth++
	defer func() { p.depth-- }()
	switch {
	case p.depth > maxFilterNesting:
		return nil, errors.New("nested too deeply")
	case p.accept("NOT"):
		of, err := p.term()
		return negation{of}, err
	case p.accept("("):
		inner, err := p.disjunction()
		if err == nil && !p.accept(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return inner, err
	}
	return p.comparison()
}

var fieldName = regexp.MustCompile(`^[A-Za-z]\w*(\.[A-Za-z]\w*)*$`)

func (p *filterParser) comparison() (condition, error) {
	name, err := p.next()
	if err != nil {
		return nil, err
	}
	if !fieldName.MatchString(name) {
		return nil, fmt.Errorf("%s is no field", name)
	}
	if !slices.Contains(p.fields, name) {
		p.fields = append(p.fields, name)
	}
	operator, err := p.next()
	if err != nil {
		return nil, err
	}
	c := comparison{field: name, operator: strings.ToUpper(operator)}
	switch c.operator {
	case "IN":
		c.literals, err = p.list()
		return c, err
	case "<>":
		c.operator = "!="
	case "=", "!=", "<", ">", "<=", ">=", "LIKE":
	default:
		return nil, fmt.Errorf("%s is no operator", operator)
	}
	v, err := p.literal()
	if _, isText := v.(string); err == nil && c.operator == "LIKE" && !isText {
		err = errors.New("LIKE wants text in quotes")
	}
	c.literals = []any{v}
	return c, err
}

func (p *filterParser) list() ([]any, error) {
	if !p.accept("(") {
		return nil, errors.New("IN wants a list in parentheses")
	}
	var list []any
	for {
		v, err := p.literal()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.accept(")") {
			return list, nil
		}
		if !p.accept(",") {
			return nil, errors.New("a list is not closed")
		}
	}
}

func (p *filterParser) literal() (any, error) {
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(token, "'") {
		return unescape(token[1 : len(token)-1]), nil
	}
	switch strings.ToLower(token) {
	case "null":
		return nil, nil
	case "true", "false":
		return strings.EqualFold(token, "true"), nil
	}
	if number, err := strconv.ParseFloat(token, 64); err == nil && !strings.ContainsAny(token, "nNxX_") {
		return number, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999Z0700", time.DateOnly} {
		if at, err := time.Parse(layout, token); err == nil {
			return at.UTC(), nil
		}
	}
	return nil, fmt.Errorf("%s is no value", token)
}

// unescape takes the backslashes out of quoted text.
func unescape(text string) string {
	var out strings.Builder
	escaped := false
	for _, r := range text {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		if escaped {
			switch r {
			case 'n':
				r = '\n'
			case 't':
				r = '\t'
			case 'r':
				r = '\r'
			}
			escaped = false
		}
		out.WriteRune(r)
	}
	return out.String()
}
