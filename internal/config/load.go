package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a configuration file. The parser's time grows with the square of
// the nesting, so nesting is bounded before it sees the file.
const (
	maxFile    = 256 << 10
	maxNesting = 64
)

// Load reads a configuration file. See [Parse].
func Load(file string, env Lookup, sections ...string) (Settings, []Problem, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return Settings{}, nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(file, src, env, sections...)
}

// Parse reads a configuration and returns the effective settings with warnings.
// If it cannot be used the error is [Problems] with everything that is wrong.
//
// With sections, only those top-level sections are read and checked: a command
// that needs the address of the gateway must not fail for want of the org's
// secret. The others keep their zero value.
func Parse(file string, src []byte, env Lookup, sections ...string) (Settings, []Problem, error) {
	d := &decoder{env: env, places: places{file: file, at: map[string]place{}}}
	root := spec()
	if len(sections) > 0 {
		root.fields = slices.DeleteFunc(root.fields, func(f field) bool { return !slices.Contains(sections, f.name) })
		d.partial = true
	}
	var s Settings
	body, ok := d.parse(src)
	if ok {
		d.section("", &root, body, reflect.ValueOf(&s).Elem())
		s.places = d.places
		s.normalize()
		d.check(&s, sections)
	}
	return d.finish(s)
}

func (d *decoder) finish(s Settings) (Settings, []Problem, error) {
	d.problems.sort()
	var warnings, fatal Problems
	for _, p := range d.problems {
		if p.Warning {
			warnings = append(warnings, p)
		} else {
			fatal = append(fatal, p)
		}
	}
	if len(fatal) > 0 {
		return Settings{}, warnings, fatal
	}
	return s, warnings, nil
}

// parse turns the text into a tree, or reports why it is not YAML.
func (d *decoder) parse(src []byte) (ast.Node, bool) {
	if len(src) > maxFile {
		d.report("", place{}, fmt.Sprintf("the file is larger than %s", Size(maxFile)), "")
		return nil, false
	}
	if line := tooNested(src); line > 0 {
		d.report("", place{line, 1}, fmt.Sprintf("nested more than %d deep", maxNesting), "")
		return nil, false
	}
	tree, err := parser.ParseBytes(src, 0)
	if err != nil {
		d.syntax(src, err)
		return nil, false
	}
	var body ast.Node
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			d.report("", placeOf(doc.Body), "a second YAML document", "keep one document in the file; remove the --- line")
			return nil, false
		}
		body = doc.Body
	}
	return body, true
}

func (d *decoder) syntax(src []byte, err error) {
	bad, ok := errors.AsType[*yaml.SyntaxError](err)
	if !ok || bad.Token == nil {
		d.report("", place{1, 1}, "not YAML", "")
		return
	}
	at := place{bad.Token.Position.Line, bad.Token.Position.Column}
	try := ""
	lines := bytes.Split(src, []byte("\n"))
	if at.line >= 1 && at.line <= len(lines) {
		line := lines[at.line-1]
		if i := bytes.Index(line, []byte("${")); i >= 0 && bytes.ContainsAny(line[:i], "[{") {
			try = `inside [ ] and { } write references in quotes: "${NAME}"`
		}
	}
	d.report("", at, "not YAML: "+bad.Message, try)
}

// tooNested returns the line where brackets, or markers at the start of a line,
// nest deeper than any configuration needs; 0 if none does. Brackets in text
// count too, which costs nothing at this bound.
func tooNested(src []byte) int {
	depth := 0
	for i, line := range bytes.Split(src, []byte("\n")) {
		markers := 0
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			case '-', '?', '&', '!', '*', ':', '<', '|', '>', '%':
				markers++
			}
			if depth > maxNesting {
				return i + 1
			}
		}
		if markers > maxNesting && strings.Count(string(line), "- ")+strings.Count(string(line), "? ")+
			strings.Count(string(line), "&")+strings.Count(string(line), "! ") > maxNesting {
			return i + 1
		}
	}
	return 0
}
