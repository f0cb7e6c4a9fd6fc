package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/formula"
)

// longestFormulaText is the length of a text formula's value.
const longestFormulaText = 1300

// checkComputed refuses settings of formulas and roll-ups on other fields.
func (d *FieldDecl) checkComputed() error {
	if d.Type != "formula" && (d.Formula != "" || d.Returns != "") {
		return errors.New("formula and returns belong to type formula")
	}
	if d.Type != "rollup" && (d.Function != "" || d.Child != "" || d.Lookup != "" || d.Summarize != "" || d.Filter != "") {
		return errors.New("function, child, lookup, summarize and filter belong to type rollup")
	}
	if d.Type != "lookup" && d.OnDelete != "" {
		return errors.New("onDelete belongs to type lookup")
	}
	if (d.Type == "formula" || d.Type == "rollup") && (d.Required || d.Unique || d.ExternalID || d.Default != nil) {
		return errors.New("a computed field is not required, unique, an external id or defaulted")
	}
	return nil
}

// formula builds a field whose value is an expression.
func (d *FieldDecl) formula(label string) (*Field, error) {
	expr, err := formula.Parse(d.Formula)
	if err != nil {
		return nil, fmt.Errorf("formula: %w", err)
	}
	var f *Field
	switch d.Returns {
	case "text":
		f = text(d.Name, label, longestFormulaText)
	case "number":
		f, err = d.number(label, TypeDouble)
	case "currency":
		f, err = d.number(label, TypeCurrency)
	case "percent":
		f, err = d.number(label, TypePercent)
	case "checkbox":
		f = checkbox(d.Name, label)
	case "date":
		f = field(d.Name, label, TypeDate)
	case "datetime":
		f = field(d.Name, label, TypeDateTime)
	default:
		return nil, fmt.Errorf("returns is %q, want text, number, currency, percent, checkbox, date or datetime", d.Returns)
	}
	if err != nil {
		return nil, err
	}
	f.Formula = expr
	return f.readOnly(), nil
}

// rollup builds a field that summarises children. It takes the type of what it
// summarises, which is known when every object is.
func (d *FieldDecl) rollup(label string) (*Field, error) {
	r := &Rollup{Function: strings.ToUpper(d.Function), Child: d.Child, Lookup: d.Lookup, Field: d.Summarize}
	switch r.Function {
	case "COUNT":
		if r.Field != "" {
			return nil, errors.New("count has no summarize")
		}
	case "SUM", "MIN", "MAX":
		if r.Field == "" {
			return nil, fmt.Errorf("%s needs summarize", d.Function)
		}
	default:
		return nil, fmt.Errorf("function is %q, want count, sum, min or max", d.Function)
	}
	if d.Filter != "" {
		var err error
		if r.Filter, err = formula.Parse(d.Filter); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
	}
	f := number(d.Name, label, TypeDouble, maxPrecision, 0).readOnly()
	f.Rollup = r
	return f, nil
}

// locationParts are the latitude and longitude of a location field.
func locationParts(o *Object, f *Field) []*Field {
	if f.Type != TypeLocation {
		return nil
	}
	base := strings.TrimSuffix(f.Name, "__c")
	var parts []*Field
	for _, part := range []string{"Latitude", "Longitude"} {
		name := base + "__" + part + "__s"
		p := number(name, f.Label+" ("+part+")", TypeDouble, 18, 15)
		p.Custom, p.ID, p.Compound, p.Part = true, customFieldID(o.Name, name), f.Name, part
		parts = append(parts, p)
	}
	return parts
}
