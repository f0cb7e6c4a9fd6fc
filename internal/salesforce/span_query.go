package salesforce

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The places of a span's ends in the text of a [SpanQuery].
const (
	fromPlace  = "{from}"
	untilPlace = "{until}"
)

// SpanQuery is a SOQL statement that selects the rows of a span of time, whose
// ends it names {from} and {until}. It is read only as far as is needed to put them
// in and to know what comes back; Salesforce is the judge of the rest.
type SpanQuery struct {
	text   string
	object string
	fields []string
}

// ParseSpanQuery reads a statement. What would leave rows out, or make them
// something else than rows (LIMIT, OFFSET, GROUP BY), is refused, and so is one
// without an order, which is the order of the events.
func ParseSpanQuery(text string) (SpanQuery, error) {
	words, err := soqlWords(text)
	if err != nil {
		return SpanQuery{}, err
	}
	q := SpanQuery{text: text}
	if len(words) == 0 || !words[0].is("SELECT") {
		return q, errors.New("want a statement that begins with SELECT")
	}
	from := slices.IndexFunc(words, func(w soqlWord) bool { return w.is("FROM") })
	if from < 2 || from+1 >= len(words) {
		return q, errors.New("want SELECT <fields> FROM <object> WHERE <span> ORDER BY <time>")
	}
	if q.object = words[from+1].text; checkTopicName(q.object) != nil {
		return q, fmt.Errorf("FROM wants one object, not %q", clip(q.object, maxTopicName))
	}
	if from+2 < len(words) && words[from+2].text == "," {
		return q, errors.New("FROM wants one object")
	}
	q.fields = plainFields(words[1:from])
	return q, checkClauses(words[from+2:], text)
}

func checkClauses(words []soqlWord, text string) error {
	for _, w := range words {
		for _, never := range []string{"LIMIT", "OFFSET", "GROUP", "HAVING"} {
			if w.is(never) {
				return fmt.Errorf("%s would leave rows out; take it away", never)
			}
		}
	}
	for _, must := range []string{"WHERE", "ORDER"} {
		if !slices.ContainsFunc(words, func(w soqlWord) bool { return w.is(must) }) {
			return fmt.Errorf("has no %s: want WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY SystemModstamp, or the like", must)
		}
	}
	for _, place := range []string{fromPlace, untilPlace} {
		if !slices.ContainsFunc(words, func(w soqlWord) bool { return w.text == place }) {
			return fmt.Errorf("does not say %s, where the span is put in", place)
		}
	}
	return nil
}

// plainFields are the names of a select list; nil if there is anything else in it.
func plainFields(list []soqlWord) (names []string) {
	for i, w := range list {
		if name := i%2 == 0; name != (w.text != ",") || name && (w.depth > 0 || checkTopicName(w.text) != nil) {
			return nil
		}
		if i%2 == 0 {
			names = append(names, w.text)
		}
	}
	return names
}

// String returns the statement as it was written.
func (q SpanQuery) String() string { return q.text }

// IsZero reports whether q is no statement.
func (q SpanQuery) IsZero() bool { return q.text == "" }

// Object is what the rows are of.
func (q SpanQuery) Object() string { return q.object }

// Fields are those selected, or nil if there is more than fields of the object in
// the list: fields of related objects, functions, subqueries.
func (q SpanQuery) Fields() []string { return slices.Clone(q.fields) }

// Bind puts a span in, widened to full seconds, which is as exact as Salesforce's times are.
func (q SpanQuery) Bind(from, until time.Time) string {
	end := until.UTC().Truncate(time.Second)
	if end.Before(until) {
		end = end.Add(time.Second)
	}
	return strings.NewReplacer(
		fromPlace, from.UTC().Truncate(time.Second).Format(time.RFC3339), untilPlace, end.Format(time.RFC3339),
	).Replace(q.text)
}

// soqlWord is a name, a quoted text, a placeholder or a single other character.
type soqlWord struct {
	text  string
	depth int // of parentheses
}

func (w soqlWord) is(keyword string) bool { return w.depth == 0 && strings.EqualFold(w.text, keyword) }

// soqlWords takes a statement apart.
func soqlWords(text string) (words []soqlWord, err error) {
	depth := 0
	for rest := strings.TrimLeft(text, soqlSpace); rest != ""; rest = strings.TrimLeft(rest, soqlSpace) {
		n := 1
		switch c := rest[0]; {
		case c == '\'':
			n = quotedLength(rest)
		case c == '{':
			n = strings.IndexByte(rest, '}') + 1
			if place := rest[:max(n, 0)]; place != fromPlace && place != untilPlace {
				return nil, fmt.Errorf("has a { that is neither %s nor %s", fromPlace, untilPlace)
			}
		case isNameByte(c):
			for n < len(rest) && (isNameByte(rest[n]) || rest[n] == '.') {
				n++
			}
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if n <= 0 || depth < 0 {
			return nil, errors.New("has a quote or a parenthesis without its other half")
		}
		words = append(words, soqlWord{rest[:n], depth})
		rest = rest[n:]
	}
	if depth != 0 {
		return nil, errors.New("has a parenthesis without its other half")
	}
	return words, checkPlaces(words)
}

const soqlSpace = " \t\r\n"

func isNameByte(c byte) bool { return isAlphanumeric(c) || c == '_' }

// quotedLength is the length of the quoted text that s begins with; 0 if it does not end.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return 0
}

// checkPlaces refuses a placeholder inside quotes, which would be text.
func checkPlaces(words []soqlWord) error {
	for _, w := range words {
		if w.text[0] == '\'' && (strings.Contains(w.text, fromPlace) || strings.Contains(w.text, untilPlace)) {
			return fmt.Errorf("has %s or %s in quotes; times stand without quotes", fromPlace, untilPlace)
		}
	}
	return nil
}
