package apex

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Context is what kind of transaction runs: it decides the limits and what is allowed.
type Context string

// The contexts.
const (
	Sync      Context = "sync"
	Queueable Context = "queueable"
	Batch     Context = "batch"
	Future    Context = "future"
	Scheduled Context = "scheduled"
)

// Bounds of a script. They keep a mistake from taking the simulator down.
const (
	MaxScript = 4 << 20
	maxSteps  = 10_000
	maxNested = 48 // steps in steps
	maxDepth  = 400
)

// Script is one transaction to run and the classes whose jobs it starts.
type Script struct {
	// Name is told in results and by exceptions that name a class.
	Name string `yaml:"name"`
	// Context is sync unless given.
	Context Context `yaml:"context"`
	// User is the username on whose behalf it runs; the org's first user unless given.
	User string `yaml:"user"`
	// Origin is the change events' changeOrigin; empty, as Apex leaves it, unless given.
	Origin string `yaml:"changeOrigin"`
	// With are variables to start with.
	With      map[string]any    `yaml:"with"`
	Steps     []Step            `yaml:"steps"`
	Finalizer []Step            `yaml:"finalizer"`
	Batch     *BatchDecl        `yaml:"batch"`
	Classes   map[string]*Class `yaml:"classes"`
}

// Class is what jobs run: steps for queueable, future and scheduled jobs, or a batch.
type Class struct {
	Steps []Step `yaml:"steps"`
	// Finalizer runs after the job in a transaction of its own, whatever came of
	// the job. It sees finalizer.result, .jobId, .exception.type and .exception.message.
	Finalizer []Step     `yaml:"finalizer"`
	Batch     *BatchDecl `yaml:"batch"`
}

// BatchDecl is a batch class.
type BatchDecl struct {
	// Query is start's query locator; Records an iterable in its place.
	Query   string `yaml:"query"`
	Records any    `yaml:"records"`
	// Scope is how many records an execution gets: 1 to 2,000, 200 unless given.
	Scope int `yaml:"scope"`
	// Stateful keeps the variables that executions set, for the next ones and finish.
	Stateful bool `yaml:"stateful"`
	// Execute sees the records as scope; Finish runs after the last.
	Execute []Step `yaml:"execute"`
	Finish  []Step `yaml:"finish"`
}

// Parse reads a script in YAML or JSON. Unknown keys are errors with line and column.
func Parse(data []byte) (script *Script, err error) {
	defer func() {
		if r := recover(); r != nil { // the YAML reader has its corners
			script, err = nil, fmt.Errorf("read script: not readable: %v", r)
		}
	}()
	if len(data) > MaxScript {
		return nil, fmt.Errorf("read script: larger than %d bytes", MaxScript)
	}
	if err := checkDepth(data); err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, readError(err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, errors.New("read script: want one document")
	}
	if err := checkNodes(file.Docs[0].Body); err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	script = &Script{}
	if err := yaml.NodeToValue(file.Docs[0].Body, script, yaml.Strict()); err != nil {
		return nil, readError(err)
	}
	if err := script.check(); err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	return script, nil
}

func readError(err error) error {
	return fmt.Errorf("read script: %s", strings.TrimSpace(yaml.FormatError(err, false, true)))
}

// checkDepth bounds what the reader would recurse into, before it does. Brackets in
// text count too, which is of no account at this depth.
func checkDepth(data []byte) error {
	depth := 0
	for line := range strings.Lines(string(data)) {
		indicators := 0
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			case '-', '?', ':', '!', '&', '*':
				indicators++
			case ' ':
			default:
				indicators = 0
			}
			if depth > maxDepth || indicators > maxDepth {
				return fmt.Errorf("nested deeper than %d", maxDepth)
			}
		}
	}
	return nil
}

// checkNodes refuses anchors: nobody needs them in a script, and a few lines of
// them describe a document of any size.
func checkNodes(root ast.Node) error {
	found := &anchorFinder{}
	ast.Walk(found, root)
	if found.line > 0 {
		return fmt.Errorf("line %d: anchors and aliases are not supported", found.line)
	}
	return nil
}

type anchorFinder struct{ line int }

// Visit is what ast.Walk calls for every node.
func (f *anchorFinder) Visit(n ast.Node) ast.Visitor {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType:
		f.line = max(1, n.GetToken().Position.Line)
		return nil
	}
	return f
}

// Millis is a length of time, written as text ("2s") or in milliseconds, as Apex has it.
type Millis time.Duration

// UnmarshalYAML reads either form.
func (m *Millis) UnmarshalYAML(unmarshal func(any) error) error {
	var millis float64
	if err := unmarshal(&millis); err == nil {
		*m = Millis(millis * float64(time.Millisecond))
		return nil
	}
	var text string
	if err := unmarshal(&text); err != nil {
		return fmt.Errorf("want a length of time such as 10s, or milliseconds: %w", err)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("want a length of time such as 10s, or milliseconds: %w", err)
	}
	*m = Millis(d)
	return nil
}
