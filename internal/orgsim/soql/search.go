package soql

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// CodeSearch is the code of a refused search.
const CodeSearch = "MALFORMED_SEARCH"

// Limits of a search.
const (
	maxSearchResults = 2_000
	maxSearchTerms   = 40
	minSearchTerm    = 2 // characters
)

// Search is a parsed SOSL statement: what to find, in which fields, and what to
// return of which objects.
type Search struct {
	// Terms are alternatives of terms that must all be found, each in any field.
	Terms [][]SearchTerm
	In    string // ALL, NAME, EMAIL, PHONE or SIDEBAR
	// Returning has a query for each object; From and Select are set, conditions and
	// order as written. Empty searches every object.
	Returning []*Query
	Limit     int
}

// SearchTerm is a word or phrase, wildcards included, in lower case.
type SearchTerm struct {
	Text string
	Not  bool
}

func malformedSearch(message string) *Error { return &Error{Code: CodeSearch, Message: message} }

// ParseSearch reads FIND {Acme*} IN NAME FIELDS RETURNING Account(Id, Name) LIMIT 5.
// A refusal is an [*Error].
func ParseSearch(source string) (s *Search, err error) {
	if len(source) > maxStatement {
		return nil, malformedSearch("SOSL statements cannot be longer than 100000 characters.")
	}
	trimmed := strings.TrimLeft(source, " \t\r\n")
	if len(trimmed) < len("FIND") || !strings.EqualFold(trimmed[:len("FIND")], "FIND") {
		return nil, malformedSearch("unexpected token: " + firstWord(trimmed))
	}
	terms, rest, ok := braced(trimmed[len("FIND"):])
	if !ok {
		return nil, malformedSearch("No search term found. The search term must be enclosed in braces.")
	}
	s = &Search{In: "ALL", Limit: maxSearchResults}
	if s.Terms, err = ParseTerms(terms); err != nil {
		return nil, err
	}
	p := &parser{source: rest, tokens: scan(rest)}
	defer func() {
		if refused, is := err.(*Error); is && refused.Code == CodeMalformed { // caught sets it
			refused.Code = CodeSearch
		}
	}()
	defer caught(&err)
	p.search(s)
	return s, nil
}

func firstWord(s string) string {
	if words := strings.Fields(s); len(words) > 0 {
		return words[0]
	}
	return "<EOF>"
}

// braced splits {terms} from what follows. A backslash escapes a brace.
func braced(s string) (inside, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" || s[0] != '{' {
		return "", "", false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '}':
			return s[1:i], s[i+1:], strings.TrimSpace(s[1:i]) != ""
		}
	}
	return "", "", false
}

// search reads what follows FIND {...}.
func (p *parser) search(s *Search) {
	if p.accept("IN") {
		s.In = strings.ToUpper(p.name().text)
		switch s.In {
		case "ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR":
		default:
			p.i--
			p.unexpected()
		}
		p.expect("FIELDS")
	}
	if p.accept("RETURNING") {
		for {
			s.Returning = append(s.Returning, p.returning())
			if !p.accept(",") {
				break
			}
		}
	}
	for p.accept("WITH") { // divisions, snippets and the like change nothing here
		for t := p.peek(); t.kind != tokenEnd && !t.is("LIMIT") && !t.is("WITH"); t = p.peek() {
			if t.kind == tokenBad {
				p.unexpected()
			}
			p.next()
		}
	}
	if p.accept("LIMIT") {
		s.Limit = min(p.count(), maxSearchResults)
	}
	if p.peek().kind != tokenEnd {
		p.unexpected()
	}
}

// returning reads Account(Id, Name WHERE ... ORDER BY ... LIMIT n OFFSET n).
func (p *parser) returning() *Query {
	from := p.name()
	q := &Query{Source: p.source, From: from.text, Limit: -1, fromAt: from.at}
	if !p.accept("(") {
		q.Select = []SelectItem{{Value: &FieldPath{Names: []string{"Id"}, at: from.at}}}
		return q
	}
	for {
		q.Select = append(q.Select, SelectItem{Value: p.value()})
		if !p.accept(",") {
			break
		}
	}
	p.clauses(q)
	p.expect(")")
	return q
}

// ParseTerms reads what stands between the braces: words and "phrases", joined by
// AND (also understood), OR and AND NOT.
func ParseTerms(text string) ([][]SearchTerm, error) {
	words, err := searchWords(text)
	if err != nil {
		return nil, err
	}
	terms := [][]SearchTerm{nil}
	not, count := false, 0
	for _, w := range words {
		switch {
		case !w.phrase && strings.EqualFold(w.text, "OR"):
			terms = append(terms, nil)
			continue
		case !w.phrase && strings.EqualFold(w.text, "AND"):
			continue
		case !w.phrase && strings.EqualFold(w.text, "NOT"):
			not = true
			continue
		}
		if len(tokensOf(w.text)) == 0 {
			continue // nothing but punctuation
		}
		if len([]rune(strings.Trim(w.text, "*?"))) < minSearchTerm {
			return nil, malformedSearch("search term must be longer than one character: " + w.text)
		}
		if count++; count > maxSearchTerms {
			return nil, malformedSearch("too many search terms")
		}
		last := len(terms) - 1
		terms[last] = append(terms[last], SearchTerm{Text: strings.ToLower(w.text), Not: not})
		not = false
	}
	for _, all := range terms {
		if len(all) == 0 {
			return nil, malformedSearch("No search term found. The search term must be enclosed in braces.")
		}
	}
	return terms, nil
}

type searchWord struct {
	text   string
	phrase bool
}

func searchWords(text string) ([]searchWord, error) {
	var words []searchWord
	var b strings.Builder
	quoted := false
	flush := func(phrase bool) {
		if b.Len() > 0 {
			words = append(words, searchWord{b.String(), phrase})
		}
		b.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '"':
			flush(quoted)
			quoted = !quoted
		case !quoted && (isSpace(c) || c == '(' || c == ')'):
			flush(false)
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return nil, malformedSearch("unmatched quotation mark in the search term")
	}
	flush(false)
	return words, nil
}

// Queries are the searches of the objects, to be run in their order up to the
// limit. Objects without a field of the kind asked for are left out.
func (s *Search) Queries(catalog *schema.Catalog) []*Query {
	returning := s.Returning
	if len(returning) == 0 {
		for _, o := range catalog.Objects() {
			if o.Kind == schema.Record {
				returning = append(returning, &Query{From: o.Name, Limit: -1, Select: []SelectItem{{Value: &FieldPath{Names: []string{"Id"}}}}})
			}
		}
	}
	var queries []*Query
	for _, given := range returning {
		q := *given
		if o, ok := catalog.Object(q.From); ok && o.Kind == schema.Record {
			found := s.condition(o)
			if found == nil {
				continue
			}
			if q.Where = found; given.Where != nil {
				q.Where = &Logical{Terms: []Condition{found, given.Where}}
			}
		}
		if q.Limit < 0 || q.Limit > s.Limit {
			q.Limit = s.Limit
		}
		queries = append(queries, &q)
	}
	return queries
}

// condition is true for records in which one of the alternatives is found.
func (s *Search) condition(o *schema.Object) Condition {
	fields := s.fields(o)
	if len(fields) == 0 {
		return nil
	}
	var alternatives []Condition
	for _, all := range s.Terms {
		var every []Condition
		for _, term := range all {
			var anywhere []Condition
			for _, f := range fields {
				anywhere = append(anywhere, &Comparison{
					Left: &FieldPath{Names: []string{f.Name}}, Op: opMatch, Right: []Literal{{Kind: LiteralString, Text: term.Text}},
				})
			}
			found := joined(anywhere, true)
			if term.Not {
				found = &Not{Term: found}
			}
			every = append(every, found)
		}
		alternatives = append(alternatives, joined(every, false))
	}
	return joined(alternatives, true)
}

func joined(terms []Condition, or bool) Condition {
	if len(terms) == 1 {
		return terms[0]
	}
	return &Logical{Or: or, Terms: terms}
}

// fields are the ones searched: those of the group, computed and compound ones
// except names of persons left out.
func (s *Search) fields(o *schema.Object) []*schema.Field {
	var fields []*schema.Field
	for _, f := range o.Fields {
		in := f.IsText() && !f.IsComputed() && f.Type != schema.TypePersonName
		switch s.In {
		case "NAME":
			in = f.NameField
		case "EMAIL":
			in = in && f.Type == schema.TypeEmail
		case "PHONE":
			in = in && f.Type == schema.TypePhone
		case "SIDEBAR":
			in = in && (f.NameField || f.ExternalID || f.Type == schema.TypeEmail || f.Type == schema.TypePhone) || f.NameField
		}
		if in {
			fields = append(fields, f)
		}
	}
	return fields
}
