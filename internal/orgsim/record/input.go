package record

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// Prepare checks the values of a new record or event against the object alone:
// unknown fields, read-only fields, types, lengths, defaults, required fields. It
// is how platform events are validated; creates of records also go through it.
// The result has the org's spelling and typed values, and every field with a value.
func Prepare(o *schema.Object, in Row) (Row, error) {
	row, err := convertAll(o, in, func(f *schema.Field) bool { return f.Createable })
	if err != nil {
		return nil, err
	}
	for _, f := range o.Fields {
		if row[f.Name] == nil && f.Default != nil {
			row[f.Name] = f.Default
		}
	}
	if missing := missingRequired(o, row, nil); len(missing) > 0 {
		return nil, requiredMissing(missing)
	}
	return row, nil
}

// convertAll resolves names and converts values. Read-only fields that are named
// are refused together, in the order of the object.
func convertAll(o *schema.Object, in Row, writable func(*schema.Field) bool) (Row, error) {
	row := make(Row, len(o.Fields)) // a record's row grows to that on its way in
	var refused []string
	for _, name := range sortedNames(in) {
		if strings.EqualFold(name, "attributes") {
			continue
		}
		f, ok := o.Field(name)
		if !ok {
			return nil, noSuchColumn(o, name)
		}
		if !writable(f) {
			refused = append(refused, f.Name)
			continue
		}
		v, err := convertInput(o, f, in[name])
		if err != nil {
			return nil, err
		}
		row[f.Name] = v
	}
	if len(refused) > 0 {
		return nil, notWritable(refused)
	}
	return row, nil
}

// convertInput converts one value. An event keeps an empty string that the API
// published; a record stores null.
func convertInput(o *schema.Object, f *schema.Field, value any) (any, error) {
	if s, ok := value.(string); ok && s == "" && o.Kind == schema.PlatformEvent && f.IsText() {
		return "", nil
	}
	v, err := Convert(f, value)
	if v == nil && err == nil && f.Type == schema.TypeBoolean && value == nil {
		return nil, wrongType(f, "null")
	}
	return v, err
}

// missingRequired lists required fields without a value. With touched given, only
// fields it names are looked at: an update may not clear them.
func missingRequired(o *schema.Object, row, touched Row) []string {
	var missing []string
	for _, f := range o.Fields {
		_, set := touched[f.Name]
		if touched != nil && !set {
			continue
		}
		required := f.IsRequired() || touched != nil && !f.Nillable && f.Updateable
		if required && row[f.Name] == nil {
			missing = append(missing, f.Name)
		}
	}
	return missing
}

// sortedNames gives the input a fixed order, so that of several mistakes the same
// one is reported every time.
func sortedNames(in Row) []string {
	names := make([]string, 0, len(in))
	for name := range in {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
