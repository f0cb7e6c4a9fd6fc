package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// decoder walks the file beside its description and collects everything that
// is wrong, instead of stopping at the first.
type decoder struct {
	env      Lookup
	places   places
	problems Problems
	// partial: other top-level keys exist but are not looked at.
	partial bool
}

// maxProblems is the most problems that are reported: beyond it the file is no
// configuration, and nobody reads on.
const maxProblems = 200

func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

func (d *decoder) report(path string, at place, what, try string) {
	if d.full() {
		return
	}
	d.problems = append(d.problems, Problem{
		File: d.places.file, Line: at.line, Column: at.column, Path: path, What: what, Try: try,
	})
}

func (d *decoder) warn(path string, at place, what, try string) {
	d.problems = append(d.problems, Problem{
		File: d.places.file, Line: at.line, Column: at.column, Path: path, What: what, Try: try, Warning: true,
	})
}

// section decodes a mapping into a struct; a nil node stands for an absent
// section, whose defaults apply all the same.
func (d *decoder) section(path string, f *field, node ast.Node, out reflect.Value) {
	if f.short != "" && isScalar(node) {
		d.shorthand(path, f, node, out)
		return
	}
	seen := map[string]ast.Node{}
	for _, kv := range d.pairs(path, node) {
		name := keyText(kv)
		child := join(path, name)
		d.places.at[child] = placeOf(kv.Key)
		if f.find(name) == nil {
			if !d.partial || path != "" {
				d.unknown(child, f, name, placeOf(kv.Key))
			}
			continue
		}
		seen[name] = kv.Value
	}
	for i := range f.fields {
		c := &f.fields[i]
		d.value(join(path, c.name), c, seen[c.name], out.Field(c.index))
	}
}

func (d *decoder) shorthand(path string, f *field, node ast.Node, out reflect.Value) {
	for i := range f.fields {
		c := &f.fields[i]
		if c.name == f.short {
			d.places.at[join(path, c.name)] = placeOf(node)
			d.value(join(path, c.name), c, node, out.Field(c.index))
			continue
		}
		d.value(join(path, c.name), c, nil, out.Field(c.index))
	}
}

func (d *decoder) value(path string, f *field, node ast.Node, out reflect.Value) {
	if _, null := node.(*ast.NullNode); null {
		node = nil
	}
	if f.shape == sectionShape {
		d.section(path, f, node, out)
		return
	}
	if node == nil {
		d.absent(path, f, out)
		return
	}
	switch f.shape {
	case listShape:
		d.list(path, f, node, out)
	case mapShape:
		d.mapping(path, f, node, out)
	default:
		d.scalar(path, f, node, out)
	}
}

func (d *decoder) absent(path string, f *field, out reflect.Value) {
	if f.required {
		at, _ := d.places.nearest(path)
		d.report(path, at, "missing", f.example())
		return
	}
	if f.hasDefault && f.shape == scalarShape {
		if err := f.set(f.fallback, out); err != nil {
			d.report(path, place{}, "default: "+err.Error(), "")
		}
	}
}

func (d *decoder) list(path string, f *field, node ast.Node, out reflect.Value) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.report(path, placeOf(node), "needs a list", f.example())
		return
	}
	if limit := atoi(f.max); f.scalar.Kind() != reflect.Int && limit > 0 && len(seq.Values) > limit {
		d.report(path, placeOf(node), fmt.Sprintf("has %d entries; at most %d are possible", len(seq.Values), limit), "")
	}
	list := reflect.MakeSlice(out.Type(), len(seq.Values), len(seq.Values))
	for i, v := range seq.Values {
		item := fmt.Sprintf("%s[%d]", path, i)
		d.places.at[item] = placeOf(v)
		d.scalar(item, f, v, list.Index(i))
	}
	out.Set(list)
}

func (d *decoder) mapping(path string, f *field, node ast.Node, out reflect.Value) {
	result := reflect.MakeMap(out.Type())
	for _, kv := range d.pairs(path, node) {
		name := keyText(kv)
		child := join(path, name)
		d.places.at[child] = placeOf(kv.Key)
		if err := checkMapKey(f.keyName, name); err != nil {
			d.report(child, placeOf(kv.Key), err.Error(), "")
			continue
		}
		item := reflect.New(f.scalar).Elem()
		if f.fields != nil {
			d.section(child, f, kv.Value, item)
		} else {
			d.scalar(child, f, kv.Value, item)
		}
		result.SetMapIndex(reflect.ValueOf(name), item)
	}
	if result.Len() == 0 && f.required {
		d.report(path, placeOf(node), "is empty", "add at least one "+f.keyName)
	}
	out.Set(result)
}

var mapKeyForms = map[string]*regexp.Regexp{
	"route":   regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`),
	"process": regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`),
	"caller":  regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.@-]{0,62}$`),
	"header":  regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
}

func checkMapKey(kind, name string) error {
	if mapKeyForms[kind].MatchString(name) {
		return nil
	}
	if kind == "route" {
		return fmt.Errorf("%q is not a route name: a lower-case letter, then letters, digits, - and _ (63 at most)", name)
	}
	return fmt.Errorf("%q is not a %s name", name, kind)
}

func (d *decoder) scalar(path string, f *field, node ast.Node, out reflect.Value) {
	raw, ok := scalarText(node)
	if !ok {
		d.report(path, placeOf(node), "needs "+withArticle(f.typeName())+", has "+describe(node), f.example())
		return
	}
	text, used, err := expand(raw, d.env)
	if err != nil {
		try := ""
		if name, missing := err.(missingVariable); missing {
			try = fmt.Sprintf("export %s, or give a default: ${%s:-...}", string(name), string(name))
		}
		d.report(path, placeOf(node), err.Error(), try)
		return
	}
	if err := f.set(text, out); err != nil {
		// The text of a variable may be a secret that landed in the wrong place.
		what := err.Error()
		if used {
			what = "the value of " + raw + " is not what belongs here: needs " + withArticle(f.typeName())
		}
		d.report(path, placeOf(node), what, f.example())
		return
	}
	if text == "" && (f.required || f.fallback != "") {
		d.report(path, placeOf(node), "is empty", f.example())
	}
	if f.isSecret() && !used && text != "" {
		d.warn(path, placeOf(node), "a secret is written in the file", "refer to an environment variable: ${NAME}")
	}
}

// set gives a value its text, checked against the key's own rules; what breaks
// a rule is not set.
func (f *field) set(text string, out reflect.Value) error {
	if f.enum != nil && !slices.Contains(f.enum, text) {
		return f.notInEnum(text)
	}
	switch {
	case out.Type() == durationType, out.Type() == sizeType, out.Kind() == reflect.Int:
		return f.setNumber(text, out)
	case out.Type() == secretType:
		if err := checkKind(f.kind, text); err != nil {
			return err
		}
		out.Set(reflect.ValueOf(secret.New(text)))
		return nil
	case out.Type() == urlType:
		if err := checkKind(f.kind, text); err != nil {
			return err
		}
		out.Set(reflect.ValueOf(NewURL(text)))
		return nil
	case out.Kind() == reflect.Bool:
		b, err := parseBool(text)
		out.SetBool(b)
		return err
	}
	if f.pattern != "" && !regexp.MustCompile(f.pattern).MatchString(text) {
		return fmt.Errorf("%q does not have the form %s", text, f.pattern)
	}
	if err := checkKind(f.kind, text); err != nil {
		return err
	}
	out.SetString(text)
	return nil
}

// setNumber handles the types that have an order: durations, sizes and numbers,
// with their bounds and with "off".
func (f *field) setNumber(text string, out reflect.Value) error {
	n, err := f.parseNumber(text, out.Type())
	if text == "off" || (err == nil && n == 0 && f.off != "") {
		if f.off == "" {
			return fmt.Errorf("%q is not possible here; the least is %s", text, f.min)
		}
		out.SetInt(0)
		return nil
	}
	if err != nil {
		return err
	}
	if f.min != "" {
		if least, _ := f.parseNumber(f.min, out.Type()); n < least {
			return fmt.Errorf("%q is too little; the least is %s", text, f.min)
		}
	}
	if f.max != "" {
		if most, _ := f.parseNumber(f.max, out.Type()); n > most {
			return fmt.Errorf("%q is too much; the most is %s", text, f.max)
		}
	}
	if n < 0 {
		return fmt.Errorf("%q is negative", text)
	}
	out.SetInt(n)
	return nil
}

func (f *field) parseNumber(text string, t reflect.Type) (int64, error) {
	switch t {
	case durationType:
		d, err := parseDuration(text)
		return int64(d), err
	case sizeType:
		s, err := ParseSize(text)
		return int64(s), err
	}
	n, err := parseInt(text)
	return int64(n), err
}

func (f *field) notInEnum(text string) error {
	list := strings.Join(f.enum, ", ")
	if f.name == "pattern" && (text == "queue" || text == "sync") {
		return fmt.Errorf("%q is not available yet; known are %s", text, list)
	}
	if near := nearest(text, f.enum); near != "" {
		return fmt.Errorf("%q is not one of %s; did you mean %s?", text, list, near)
	}
	return fmt.Errorf("%q is not one of %s", text, list)
}

// example is the next step for a value that is missing or wrong.
func (f *field) example() string {
	if f.sample == "" {
		return ""
	}
	return "for example " + f.name + ": " + f.sample
}

func (d *decoder) unknown(path string, in *field, name string, at place) {
	if d.full() {
		return
	}
	root := spec()
	try := ""
	if elsewhere := whereIs(&root, "", name); elsewhere != "" {
		try = "did you mean " + elsewhere + "?"
	}
	if near := nearest(name, in.names()); near != "" {
		try = "did you mean " + near + "?"
	}
	if try == "" {
		try = "known here: " + strings.Join(in.names(), ", ")
	}
	d.report(path, at, "unknown key", try)
}

// whereIs returns the path of the first key of that name anywhere in the file.
func whereIs(f *field, path, name string) string {
	for i := range f.fields {
		c := &f.fields[i]
		child := join(path, c.name)
		if c.name == name {
			return child
		}
		if c.shape == mapShape && c.fields != nil {
			child = join(child, "<"+c.keyName+">")
		}
		if found := whereIs(c, child, name); found != "" {
			return found
		}
	}
	return ""
}
