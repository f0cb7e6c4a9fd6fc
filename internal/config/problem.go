package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a configuration, with its place.
type Problem struct {
	// File, Line and Column say where, from 1; Line is 0 for what is missing
	// from the whole file.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Path names the key: routes.orders.to.url.
	Path string `json:"path,omitempty"`
	// What is one line for people, without secrets.
	What string `json:"what"`
	// Try is the next step; may be empty.
	Try string `json:"try,omitempty"`
	// Warning says that the configuration can be used all the same.
	Warning bool `json:"warning,omitempty"`
}

// String is "file:line:column: path: what (try)".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.What)
	if p.Try != "" {
		b.WriteString(" (" + p.Try + ")")
	}
	return b.String()
}

// Problems is the error of a configuration that cannot be used: everything that
// is wrong with it at once, in the order of the file.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}

// place is where a key stands in the file.
type place struct{ line, column int }

// places maps the path of every key that the file sets to its place.
type places struct {
	file string
	at   map[string]place
}

// Place returns "file:line:column" of a key's path, or of its nearest parent
// that the file sets; so that a component which refuses a setting later can say
// where it stands.
func (s Settings) Place(path string) string { return s.places.of(path) }

// IsSet reports whether the file sets the key, as against its default.
func (s Settings) IsSet(path string) bool {
	_, ok := s.places.at[path]
	return ok
}

func (p places) of(path string) string {
	at, ok := p.nearest(path)
	if !ok {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, at.line, at.column)
}

func (p places) nearest(path string) (place, bool) {
	for path != "" {
		if at, ok := p.at[path]; ok {
			return at, true
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return place{}, false
}
