package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Mismatch is why a payload does not fit.
type Mismatch struct {
	// Field is the path of the first field that does not fit: "lines[2].price";
	// empty for the payload as a whole.
	Field string
	// What is one line on up to five fields, without a value.
	What string
}

// maxNamed bounds the fields that one answer names.
const maxNamed = 5

// flaw is one field with the rule that it breaks.
type flaw struct{ field, rule string }

func mismatch(failed *jsonschema.ValidationError) *Mismatch {
	var flaws []flaw
	collect(failed, &flaws)
	slices.SortStableFunc(flaws, func(a, b flaw) int { return strings.Compare(a.field, b.field) })
	flaws = slices.Compact(flaws)
	named := make([]string, 0, maxNamed+1)
	for _, f := range flaws[:min(len(flaws), maxNamed)] {
		name := f.field
		if name == "" {
			name = "the body"
		}
		named = append(named, name+" "+f.rule)
	}
	if more := len(flaws) - maxNamed; more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return &Mismatch{Field: flaws[0].field, What: strings.Join(named, "; ")}
}

// collect gathers the innermost failures, which are those that name a field. Of
// alternatives of which none fits, the failures of all would only confuse.
func collect(e *jsonschema.ValidationError, flaws *[]flaw) {
	field := path(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains:
		*flaws = append(*flaws, flaw{field, "fits none, or too many, of the forms that are possible"})
		return
	case *kind.Required:
		for _, name := range k.Missing {
			*flaws = append(*flaws, flaw{path(append(slices.Clone(e.InstanceLocation), name)), "is missing"})
		}
		return
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			*flaws = append(*flaws, flaw{path(append(slices.Clone(e.InstanceLocation), name)), "is not known here"})
		}
		return
	}
	if len(e.Causes) == 0 {
		*flaws = append(*flaws, flaw{field, rule(e.ErrorKind)})
		return
	}
	for _, cause := range e.Causes {
		collect(cause, flaws)
	}
}

// rule says what is asked of a value. It never says what the value is.
func rule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "is " + article(k.Got) + ", want " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		if len(k.Want) <= 10 {
			return fmt.Sprintf("is none of %v", k.Want)
		}
		return "is none of the values that are possible"
	case *kind.Const:
		return fmt.Sprintf("is not %v", k.Want)
	case *kind.Format:
		return "is not a " + k.Want
	case *kind.Pattern:
		return "does not match " + k.Want
	case *kind.MinLength:
		return fmt.Sprintf("is shorter than %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("is longer than %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has fewer than %d entries", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has more than %d entries", k.Want)
	case *kind.Minimum:
		return "is less than " + k.Want.RatString()
	case *kind.Maximum:
		return "is more than " + k.Want.RatString()
	case *kind.ExclusiveMinimum:
		return "is not more than " + k.Want.RatString()
	case *kind.ExclusiveMaximum:
		return "is not less than " + k.Want.RatString()
	case *kind.FalseSchema:
		return "is not allowed"
	}
	return "breaks the rule " + strings.Join(k.KeywordPath(), ".")
}

func article(kind string) string {
	switch kind {
	case "null":
		return kind
	case "object", "array", "integer":
		return "an " + kind
	}
	return "a " + kind
}

// maxName bounds how much of a name that a caller chose is repeated.
const maxName = 60

// path writes a location as people do: a.b[2].c.
func path(location []string) string {
	var b strings.Builder
	for _, part := range location {
		if len(part) > maxName {
			part = part[:maxName] + "…"
		}
		switch {
		case part != "" && strings.Trim(part, "0123456789") == "":
			b.WriteString("[" + part + "]")
		case b.Len() > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}
