package config

import (
	"fmt"
	"strings"
)

// Reference returns the reference page of the configuration file, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	root := spec()
	writeReference(&b, &root, "")
	return b.String()
}

const referenceHead = `# Configuration reference

<!-- Generated from the tags in internal/config/settings.go by "make generate". Do not edit. -->

Sallyport reads one YAML file, ` + "`sallyport.yaml`" + ` unless ` + "`--config`" + ` names another. Unknown keys are errors, with line and
column. ` + "`sallyport config check`" + ` reports every problem at once; ` + "`sallyport config show`" + ` prints what is in effect, with
secrets masked.

- **References.** In values, ` + "`${NAME}`" + ` is replaced by an environment variable, which must exist; ` + "`${NAME:-default}`" + ` falls back when
  it is absent or empty; ` + "`$${`" + ` stands for a literal ` + "`${`" + `. Inside ` + "`[ ]` and `{ }`" + ` YAML wants references in quotes.
- **Durations** are written ` + "`500ms`, `30s`, `5m`, `72h`" + `; **sizes** ` + "`8MiB`, `500KB`" + ` or a number of bytes.
- **Absent means default.** An explicit ` + "`0` or `off`" + ` means off, where the table says what that does; elsewhere it is an error.
- Editors can check the file as you type: put
  ` + "`# yaml-language-server: $schema=sallyport.schema.json`" + ` on its first line, with the output of ` + "`sallyport config schema`" + ` beside it.
`

func writeReference(b *strings.Builder, f *field, path string) {
	var nested []*field
	rows := 0
	for i := range f.fields {
		c := &f.fields[i]
		if c.fields != nil {
			nested = append(nested, c)
			continue
		}
		if rows == 0 {
			b.WriteString("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
		}
		rows++
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", c.name, escapeCell(c.typeCell()), escapeCell(c.defaultCell()), escapeCell(c.meaning()))
	}
	for _, c := range nested {
		child := join(path, c.name)
		if c.shape == mapShape {
			child = join(child, "<"+c.keyName+">")
		}
		fmt.Fprintf(b, "\n## `%s`\n\n%s\n", child, c.doc)
		writeReference(b, c, child)
	}
}

func (f *field) typeCell() string {
	name := f.typeName()
	if f.enum != nil {
		name = "one of " + codes(f.enum)
	}
	switch f.shape {
	case listShape:
		return "list of " + plural(name)
	case mapShape:
		return f.keyName + " → " + name
	}
	if bounds := f.bounds(); bounds != "" {
		name += ", " + bounds
	}
	return name
}

func plural(name string) string {
	if what, rest, ok := strings.Cut(name, " of "); ok {
		return plural(what) + " of " + rest
	}
	if name == "text" || strings.HasSuffix(name, "s") {
		return name
	}
	return name + "s"
}

func codes(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

func (f *field) bounds() string {
	switch {
	case f.min != "" && f.max != "":
		return f.min + " to " + f.max
	case f.min != "":
		return "at least " + f.min
	}
	return ""
}

func (f *field) defaultCell() string {
	switch {
	case f.required:
		return "**required**"
	case f.hasDefault && f.fallback != "":
		return "`" + f.fallback + "`"
	}
	return "none"
}

func (f *field) meaning() string {
	text := f.doc
	if f.off != "" {
		text += " `off`: " + f.off + "."
	}
	if f.sample != "" {
		text += " Example: `" + f.sample + "`."
	}
	return text
}

func escapeCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
