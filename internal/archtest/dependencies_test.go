package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var requirement = regexp.MustCompile(`(?m)^\s*(?:require )?([a-z0-9.]+\.[a-z]+/[^\s]+) v`)

// TestDependencies_HaveAReasonEach holds what the code imports against
// docs/dependencies.md, both ways.
func TestDependencies_HaveAReasonEach(t *testing.T) {
	t.Parallel()
	page := read(t, "docs", "dependencies.md")
	var modules []string
	for _, m := range requirement.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		modules = append(modules, m[1])
	}
	used := map[string]string{}
	for _, f := range loadProject(t) {
		for imported := range f.Imports() {
			if m := moduleOf(imported, modules); m != "" {
				used[m] = f.Name
			}
		}
	}
	if len(used) < 10 {
		t.Fatalf("only %d modules found in use: %v", len(used), used)
	}
	for m, file := range used {
		if !strings.Contains(page, "`"+m+"`") && !reasoned(page, m) {
			t.Errorf("%s is imported by %s and has no line in docs/dependencies.md", m, file)
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\|([^|]*)\|`).FindAllStringSubmatch(page, -1) {
		for _, m := range regexp.MustCompile("`([a-z0-9.]+/[^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if used[m[1]] == "" && m[1] != "modernc.org/sqlite" { // under zombiezen.com/go/sqlite
				t.Errorf("docs/dependencies.md gives a reason for %s, which nothing imports", m[1])
			}
		}
	}
}

// reasoned: modules of one family share a line (go.opentelemetry.io/otel/...).
func reasoned(page, module string) bool {
	for _, family := range []string{"go.opentelemetry.io/otel"} {
		if strings.HasPrefix(module, family+"/") {
			return strings.Contains(page, "`"+family+"`")
		}
	}
	return false
}

func moduleOf(imported string, modules []string) string {
	best := ""
	for _, m := range modules {
		if (imported == m || strings.HasPrefix(imported, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
