package apex

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Values in a transaction are nil, string, bool, int64, float64, []any and
// map[string]any.

// variables are a transaction's.
type variables map[string]any

var (
	namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	reference   = regexp.MustCompile(`^\s*([A-Za-z][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_-]+|\[[A-Za-z0-9_]+\])*)\s*(?:([+-])\s*(\d{1,15}))?\s*$`)
	pathStep    = regexp.MustCompile(`\.[A-Za-z0-9_-]+|\[[A-Za-z0-9_]+\]`)
)

func isName(s string) bool { return namePattern.MatchString(s) }

// normal gives a decoded value the types above. It copies what it returns, so that
// a transaction does not write into its script.
func normal(v any) any {
	switch v := v.(type) {
	case uint64:
		if v > math.MaxInt64 {
			return float64(v)
		}
		return int64(v)
	case int:
		return int64(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = normal(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = normal(item)
		}
		return out
	case nil, string, bool, int64, float64:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// resolve replaces the references in every text of a value. A text that is nothing
// but one reference becomes the value itself.
func (vars variables) resolve(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return vars.expand(v, text)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			resolved, err := vars.resolve(item)
			if err != nil {
				return nil, err
			}
			out[k] = resolved
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			resolved, err := vars.resolve(item)
			if err != nil {
				return nil, err
			}
			out[i] = resolved
		}
		return out, nil
	}
	return normal(v), nil
}

// expand replaces references; write spells a value that is part of a longer text.
func (vars variables) expand(s string, write func(any) string) (any, error) {
	if !strings.Contains(s, "@{") {
		return s, nil
	}
	var out strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, "@{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		expression, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, badScript("@{%s: no closing brace", after)
		}
		v, err := vars.lookup(expression)
		if err != nil {
			return nil, err
		}
		if len(expression)+len("@{}") == len(s) {
			return v, nil
		}
		out.WriteString(write(v))
		rest = tail
	}
}

// expandText is expand for what can only be text.
func (vars variables) expandText(s string) (string, error) {
	v, err := vars.expand(s, text)
	if err != nil {
		return "", err
	}
	return text(v), nil
}

// lookup evaluates name, .field and [n] steps, and a number added or taken away.
func (vars variables) lookup(expression string) (any, error) {
	m := reference.FindStringSubmatch(expression)
	if m == nil {
		return nil, badScript("@{%s} is no reference", expression)
	}
	v, ok := vars[m[1]]
	if !ok {
		return nil, badScript("@{%s}: no variable %s", expression, m[1])
	}
	for _, step := range pathStep.FindAllString(m[2], -1) {
		var err error
		if v, err = vars.descend(v, step); err != nil {
			return nil, err
		}
	}
	if m[3] == "" {
		return v, nil
	}
	n, isInt := v.(int64)
	if !isInt {
		return nil, badScript("@{%s}: %s is no number", expression, text(v))
	}
	by, _ := strconv.ParseInt(m[3]+m[4], 10, 64) // the pattern bounds it
	return n + by, nil
}

// descend takes one step of a path: an absent field is null, as an unset one of an
// sObject is.
func (vars variables) descend(v any, step string) (any, error) {
	if v == nil {
		return nil, throw(nullPointer, "Attempt to de-reference a null object")
	}
	if field, isField := strings.CutPrefix(step, "."); isField {
		switch v := v.(type) {
		case map[string]any:
			return fieldOf(v, field), nil
		case []any:
			if field == "size" {
				return int64(len(v)), nil
			}
		}
		return nil, badScript("%s has no %s", text(v), field)
	}
	list, isList := v.([]any)
	if !isList {
		return nil, badScript("%s is no list", text(v))
	}
	index := strings.Trim(step, "[]")
	n, err := strconv.ParseInt(index, 10, 64)
	if err != nil {
		number, isNumber := vars[index].(int64)
		if !isNumber {
			return nil, badScript("%s is no index", index)
		}
		n = number
	}
	if n < 0 || n >= int64(len(list)) {
		return nil, throw(listException, "List index out of bounds: %d", n)
	}
	return list[n], nil
}

// fieldOf finds a field in any case, as Apex does.
func fieldOf(m map[string]any, field string) any {
	if v, ok := m[field]; ok {
		return v
	}
	for k, v := range m {
		if strings.EqualFold(k, field) {
			return v
		}
	}
	return nil
}

// text spells a value inside a longer text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case []any, map[string]any:
		return string(encode(v))
	default:
		return fmt.Sprint(v)
	}
}

var escapeSOQL = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// bound spells a value inside a statement. Text is put between the quotes that the
// statement has; the elements of a list bring their own.
func bound(v any) string {
	switch v := v.(type) {
	case string:
		return escapeSOQL.Replace(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			if record, ok := item.(map[string]any); ok {
				item = fieldOf(record, "Id")
			}
			items[i] = bound(item)
			if _, ok := item.(string); ok {
				items[i] = "'" + items[i] + "'"
			}
		}
		return "(" + strings.Join(items, ",") + ")"
	}
	return text(v)
}

// sizeOf estimates what a value takes of the heap.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return 8 + len(v)
	case []any:
		n := 16
		for _, item := range v {
			n += 4 + sizeOf(item)
		}
		return n
	case map[string]any:
		n := 16
		for _, item := range v {
			n += 8 + sizeOf(item) // the names are shared
		}
		return n
	}
	return 8
}
