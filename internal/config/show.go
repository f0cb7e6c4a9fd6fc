package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// entry is one effective setting, or a section of them.
type entry struct {
	name string
	// path is set where a place in the file may exist.
	path    string
	value   any // bool, int, string or []any; nil for a section
	entries []entry
	section bool
}

// Show writes the effective settings as YAML, sorted by key, secrets masked.
// Values that the file does not set are marked as defaults.
func (s Settings) Show(w io.Writer) error {
	var b strings.Builder
	for _, e := range s.entries() {
		s.writeEntry(&b, e, 0)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// MarshalJSON writes the effective settings, secrets masked, with the keys of
// the file.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(tree(s.entries())) }

func tree(entries []entry) map[string]any {
	out := map[string]any{}
	for _, e := range entries {
		if e.section {
			out[e.name] = tree(e.entries)
		} else {
			out[e.name] = e.value
		}
	}
	return out
}

func (s Settings) entries() []entry {
	root := spec()
	return sectionEntries(&root, "", reflect.ValueOf(s))
}

func sectionEntries(f *field, path string, v reflect.Value) []entry {
	var out []entry
	for i := range f.fields {
		c := &f.fields[i]
		child, at := v.Field(c.index), join(path, c.name)
		if h, ok := v.Interface().(interface{ hides(key string) bool }); ok && h.hides(c.name) {
			continue
		}
		if c.kind == "topic" && child.IsZero() {
			continue // of topic and topics only one is set
		}
		e := entry{name: c.name, path: at}
		switch c.shape {
		case sectionShape:
			e.section, e.entries = true, sectionEntries(c, at, child)
		case mapShape:
			e.section, e.entries = true, mapEntries(c, at, child)
		case listShape:
			items := make([]any, child.Len())
			for j := range items {
				items[j] = c.shown(child.Index(j))
			}
			e.value = items
		default:
			e.value = c.shown(child)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return out
}

func mapEntries(f *field, path string, v reflect.Value) []entry {
	var out []entry
	for _, k := range v.MapKeys() {
		e := entry{name: k.String(), path: join(path, k.String())}
		if f.fields != nil {
			e.section, e.entries = true, sectionEntries(f, e.path, v.MapIndex(k))
		} else {
			e.value = f.shown(v.MapIndex(k))
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return out
}

// shown is a value as people may see it.
func (f *field) shown(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		if x == 0 && f.off != "" {
			return "off"
		}
		return durationText(x)
	case Size:
		return x.String()
	case secret.String:
		return x.String()
	case URL:
		return x.String()
	case int:
		if x == 0 && f.off != "" {
			return "off"
		}
		return x
	case bool:
		return x
	case string:
		if f.kind == "url" {
			return NewURL(x).String()
		}
		return x
	default:
		return fmt.Sprint(x)
	}
}

func (s Settings) writeEntry(b *strings.Builder, e entry, depth int) {
	indent := strings.Repeat("  ", depth)
	if e.section {
		if len(e.entries) == 0 {
			fmt.Fprintf(b, "%s%s: {}\n", indent, yamlText(e.name))
			return
		}
		fmt.Fprintf(b, "%s%s:\n", indent, yamlText(e.name))
		for _, c := range e.entries {
			s.writeEntry(b, c, depth+1)
		}
		return
	}
	mark := ""
	if !s.IsSet(e.path) && !(e.name == "topics" && s.IsSet(strings.TrimSuffix(e.path, "s"))) {
		mark = "  # default"
	}
	fmt.Fprintf(b, "%s%s: %s%s\n", indent, yamlText(e.name), yamlValue(e.value), mark)
}

func yamlValue(v any) string {
	switch x := v.(type) {
	case string:
		return yamlText(x)
	case []any:
		items := make([]string, len(x))
		for i := range x {
			items[i] = yamlValue(x[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	default:
		return fmt.Sprint(x)
	}
}

var plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./@+-]*(://[A-Za-z0-9_./@:*-]+)?(:[0-9]+)?$`)

// yamlText quotes a text unless it is beyond doubt that YAML reads it as such.
func yamlText(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "y", "n":
		return strconv.Quote(s)
	}
	if plainText.MatchString(s) || durationForm.MatchString(s) {
		return s
	}
	// JSON's strings are YAML's; Go's own quoting has escapes that are neither's.
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var durationForm = regexp.MustCompile(`^[0-9]+(ms|s|m|h|KiB|MiB|GiB)$`)
