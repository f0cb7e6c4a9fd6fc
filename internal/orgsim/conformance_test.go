package orgsim_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

var update = flag.Bool("update", false, "rewrite docs/orgsim.md")

// shown is a line of the table: what there is, and which tests show it.
type shown struct {
	What  string   `yaml:"what"`
	State string   `yaml:"state"`
	Note  string   `yaml:"note"`
	Tests []string `yaml:"tests"`
}

type struck struct {
	Name  fault.Name `yaml:"name"`
	Of    string     `yaml:"of"`
	Does  string     `yaml:"does"`
	Tests []string   `yaml:"tests"`
}

type conformance struct {
	Areas []struct {
		Name string  `yaml:"name"`
		Rows []shown `yaml:"rows"`
	} `yaml:"areas"`
	Faults []struck `yaml:"faults"`
}

func readConformance(t *testing.T) *conformance {
	t.Helper()
	text, err := os.ReadFile("testdata/conformance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c conformance
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return &c
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// testsIn lists the tests of a package as the table names them: "restapi.TestX",
// with "orgsim" for this package and "clients" for test/clients.
func testsIn(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "../../test/clients/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(filepath.Dir(file))
			if name == "." {
				name = "orgsim"
			}
			for _, m := range testFunction.FindAllSubmatch(source, -1) {
				found[name+"."+string(m[1])] = true
			}
		}
	}
	return found
}

func TestConformance_EveryClaimHasATestThatExists(t *testing.T) {
	t.Parallel()
	c, exists := readConformance(t), testsIn(t)
	if len(exists) < 200 {
		t.Fatalf("only %d tests found; are they still read?", len(exists))
	}
	check := func(what string, tests []string) {
		for _, name := range tests {
			if !exists[name] {
				t.Errorf("%s: there is no test %s", what, name)
			}
		}
	}
	for _, area := range c.Areas {
		for _, row := range area.Rows {
			check(row.What, row.Tests)
			switch {
			case row.State != "works" && row.State != "partial" && row.State != "not":
				t.Errorf("%s: state %q", row.What, row.State)
			case row.State == "works" && len(row.Tests) == 0:
				t.Errorf("%s works, and no test shows it", row.What)
			case row.State == "partial" && row.Note == "":
				t.Errorf("%s is partial, and the note does not say what is missing", row.What)
			}
		}
	}
	var named []fault.Name
	for _, f := range c.Faults {
		named = append(named, f.Name)
		check(string(f.Name), f.Tests)
		if len(f.Tests) == 0 {
			t.Errorf("no test shows the fault %s", f.Name)
		}
	}
	slices.Sort(named)
	want := fault.Names()
	slices.Sort(want)
	if diff := cmp.Diff(want, named); diff != "" {
		t.Errorf("the faults of the table are not those there are:\n%s", diff)
	}
}

const pageBegin, pageEnd = "<!-- made from internal/orgsim/testdata/conformance.yaml -->\n", "<!-- end -->\n"

func TestConformance_ThePageIsMadeFromTheTable(t *testing.T) {
	t.Parallel()
	const file = "../../docs/orgsim.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), pageBegin)
	_, after, ended := strings.Cut(rest, pageEnd)
	if !found || !ended {
		t.Fatalf("%s lacks %q or %q", file, pageBegin, pageEnd)
	}
	want := before + pageBegin + render(readConformance(t)) + pageEnd + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("run go test ./internal/orgsim -run Conformance -update:\n%s", diff)
	}
}

// render writes the tables as Markdown.
func render(c *conformance) string {
	var b bytes.Buffer
	counts := map[string]int{}
	for _, area := range c.Areas {
		for _, row := range area.Rows {
			counts[row.State]++
		}
	}
	fmt.Fprintf(&b, "\n%d behaviours work, %d in part, %d not.\n", counts["works"], counts["partial"], counts["not"])
	for _, area := range c.Areas {
		fmt.Fprintf(&b, "\n### %s\n\n| behaviour | state | shown by |\n| --- | --- | --- |\n", area.Name)
		for _, row := range area.Rows {
			state := map[string]string{"works": "works", "partial": "**partial**", "not": "**not**"}[row.State]
			if row.Note != "" {
				state += ": " + row.Note
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row.What, state, code(row.Tests))
		}
	}
	b.WriteString("\n## Faults\n\n| fault | strikes | what happens | shown by |\n| --- | --- | --- | --- |\n")
	for _, f := range c.Faults {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Of, f.Does, code(f.Tests))
	}
	b.WriteString("\n")
	return b.String()
}

func code(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
