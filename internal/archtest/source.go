package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Module is the import path of the project.
const Module = "github.com/sallyport-dev/sallyport"

// File is one Go file of the project.
type File struct {
	// Name is its path from the project's root, with forward slashes.
	Name string
	// Room is its folder from the project's root: "internal/event".
	Room      string
	Test      bool
	Generated bool
	Lines     int
	Syntax    *ast.File
	set       *token.FileSet
}

// Place returns "file:line" of a node.
func (f *File) Place(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Name, f.set.Position(n.Pos()).Line)
}

// Imports returns the import paths of the file with their place.
func (f *File) Imports() map[string]ast.Node {
	out := map[string]ast.Node{}
	for _, spec := range f.Syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			out[p] = spec
		}
	}
	return out
}

// localName is the name under which a file uses an import path; "" if it does not.
func (f *File) localName(importPath string) string {
	for _, spec := range f.Syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// Load parses every Go file below root, except other modules and testdata.
func Load(root string) ([]*File, error) {
	var out []*File
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != root && foreign(name, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parse(root, name)
		if err == nil {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load Go files: %w", err)
	}
	return out, nil
}

func foreign(name, base string) bool {
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") {
		return true
	}
	mods, err := filepath.Glob(filepath.Join(name, "go.mod"))
	return err == nil && len(mods) > 0
}

func parse(root, name string) (*File, error) {
	relative, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	relative = filepath.ToSlash(relative)
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &File{
		Name: relative, Room: path.Dir(relative), Test: strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax), Lines: set.File(syntax.FileStart).LineCount(), Syntax: syntax, set: set,
	}, nil
}

// Violation is a place that breaks a rule.
type Violation struct {
	Place string
	What  string
	Why   string
}

// String is "place: what (why)".
func (v Violation) String() string { return v.Place + ": " + v.What + " (" + v.Why + ")" }
