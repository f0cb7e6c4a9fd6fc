package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// custom is a name that a part of the code may not use.
type custom struct {
	// path and names are the forbidden package members; "" in names forbids the import.
	path  string
	names []string
	// in says where the rule holds.
	in  func(f *File) bool
	why string
}

// Fakes for tests (deliverytest and the like) are no product: theirs may run in
// a bubble of synctest, which they cannot know.
func productCode(f *File) bool { return !f.Test && !f.Generated && !testHelper(f.Room) }
func testCode(f *File) bool    { return f.Test }
func belowSurfaces(f *File) bool {
	return productCode(f) && !match("cmd/...", f.Room) && !match("internal/cli", f.Room) &&
		!match("internal/app/...", f.Room) && !match("internal/demo/...", f.Room) && !match("bench/...", f.Room) && !match("test/...", f.Room)
}

var customs = []custom{
	{
		"github.com/prometheus/client_golang/prometheus",
		[]string{"DefaultRegisterer", "DefaultGatherer", "Register", "MustRegister", "Unregister"},
		productCode, "metrics go to an injected registry; two gateways in one process must not share counters",
	},
	{
		"github.com/prometheus/client_golang/prometheus/promauto",
		[]string{""},
		productCode, "metrics go to an injected registry; two gateways in one process must not share counters",
	},
	{
		"github.com/prometheus/client_golang/prometheus/promhttp",
		[]string{"Handler"},
		productCode, "it shows the default registry, which nothing is registered with",
	},
	{
		"log/slog",
		[]string{
			"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "With",
			"DebugContext", "InfoContext", "WarnContext", "ErrorContext",
		},
		productCode, "the logger is injected, so that its output can be directed and tested",
	},
	{
		"log",
		[]string{"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln", "Default", "SetOutput"},
		productCode, "the logger is injected, and nothing below main ends the process",
	},
	{
		"net/http",
		[]string{"Handle", "HandleFunc", "ListenAndServe", "DefaultServeMux", "Get", "Post", "Head", "PostForm"},
		productCode, "the defaults have no timeouts and are shared by the whole process",
	},
	{
		"net/http",
		[]string{"DefaultClient"},
		belowSurfaces, "it has no timeout and shares its connections with the whole process",
	},
	{
		"os",
		[]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv"},
		belowSurfaces, "settings come from config; whoever reads the environment below it cannot be configured or tested",
	},
	{
		"os",
		[]string{"Exit"},
		belowSurfaces, "only main ends the process, after everything has stopped in order",
	},
	{
		"time",
		[]string{"Sleep"},
		productCode, "a sleep cannot be cancelled; wait on a timer and the context",
	},
	{
		"time",
		[]string{"Sleep"},
		testCode, "wait for a signal; in a bubble of synctest, where time is not real, a sleep is allowed",
	},
	{
		"github.com/stretchr/testify",
		[]string{""},
		func(*File) bool { return true }, "go-cmp is the one assertion helper",
	},
}

// CheckCustoms returns the uses of forbidden names.
func CheckCustoms(files []*File) []Violation {
	var out []Violation
	for _, f := range files {
		for _, c := range customs {
			if c.in(f) {
				out = append(out, c.find(f)...)
			}
		}
		out = append(out, skips(f)...)
		out = append(out, inits(f)...)
	}
	sortViolations(out)
	return out
}

func (c custom) find(f *File) []Violation {
	local := f.localName(c.path)
	if local == "" {
		return nil
	}
	if slices.Contains(c.names, "") {
		return []Violation{{f.Name, "imports " + c.path, c.why}}
	}
	var out []Violation
	bubbles := syncTests(f)
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		use, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := use.X.(*ast.Ident)
		// A local variable of that name has an object; a package does not.
		if !ok || pkg.Name != local || pkg.Obj != nil || !slices.Contains(c.names, use.Sel.Name) {
			return true
		}
		if f.Test && slices.ContainsFunc(bubbles, func(b ast.Node) bool { return b.Pos() <= use.Pos() && use.End() <= b.End() }) {
			return true
		}
		out = append(out, Violation{f.Place(use), "uses " + c.path + "." + use.Sel.Name, c.why})
		return true
	})
	return out
}

// syncTests returns what may run in a bubble of synctest: the calls of
// synctest.Test, and the helpers beside them, which cannot tell by themselves.
func syncTests(f *File) []ast.Node {
	local := f.localName("testing/synctest")
	var out []ast.Node
	if local == "" {
		return nil
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if isMember(n.Fun, local, "Test") {
				out = append(out, n)
			}
		case *ast.FuncDecl:
			if name := n.Name.Name; !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") && !strings.HasPrefix(name, "Benchmark") {
				out = append(out, n)
			}
		}
		return true
	})
	return out
}

func isMember(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// skips finds tests that excuse themselves.
func skips(f *File) []Violation {
	if !f.Test {
		return nil
	}
	var out []Violation
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, id.Name) {
			out = append(out, Violation{f.Place(call), "skips a test", "a test that is skipped proves nothing; make what it needs available or fail"})
		}
		return true
	})
	return out
}

func inits(f *File) []Violation {
	if f.Generated {
		return nil
	}
	var out []Violation
	for _, d := range f.Syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			out = append(out, Violation{f.Place(fn), "declares init", "what runs before main cannot be ordered, configured or tested"})
		}
	}
	return out
}

// MaxLines is the most lines a hand-written Go file may have.
const MaxLines = 600

// CheckForm returns files that are too long and packages without a package
// comment.
func CheckForm(files []*File) []Violation {
	var out []Violation
	commented, first := map[string]bool{}, map[string]string{}
	for _, f := range files {
		if !f.Generated && f.Lines > MaxLines {
			out = append(out, Violation{f.Name, fmt.Sprintf("has %d lines", f.Lines), fmt.Sprintf("past %d lines a file holds two nouns; split it by noun", MaxLines)})
		}
		if f.Test {
			continue
		}
		if first[f.Room] == "" {
			first[f.Room] = f.Name
		}
		if doc := f.Syntax.Doc.Text(); strings.HasPrefix(doc, "Package "+f.Syntax.Name.Name) || strings.HasPrefix(doc, "Command ") {
			commented[f.Room] = true
		}
	}
	for room, file := range first {
		if !commented[room] {
			out = append(out, Violation{file, "package has no package comment", "say what it owns, what it does not, and the invariant a stranger would break"})
		}
	}
	sortViolations(out)
	return out
}
