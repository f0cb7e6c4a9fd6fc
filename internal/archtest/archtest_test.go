package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/archtest"
)

// project parses the whole project once for all tests.
var project = sync.OnceValues(func() ([]*archtest.File, error) { return archtest.Load(filepath.Join("..", "..")) })

func loadProject(t *testing.T) []*archtest.File {
	t.Helper()
	files, err := project()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files found; is the root right?", len(files))
	}
	return files
}

func report(t *testing.T, violations []archtest.Violation) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}

func TestImports_FollowTheHousePlan(t *testing.T) {
	t.Parallel()
	files := loadProject(t)
	report(t, archtest.CheckImports(files, archtest.Rooms))
	report(t, archtest.CheckTestImports(files))
}

func TestSource_KeepsTheHouseCustoms(t *testing.T) {
	t.Parallel()
	files := loadProject(t)
	report(t, archtest.CheckCustoms(files))
	report(t, archtest.CheckForm(files))
}

func TestRooms_HaveAReasonEach(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range archtest.Rooms {
		if len(r.Why) < 20 {
			t.Errorf("%s has no reason", r.Path)
		}
		if seen[r.Path] {
			t.Errorf("%s is listed twice", r.Path)
		}
		seen[r.Path] = true
	}
}

var wantMark = regexp.MustCompile(`// want "([^"]+)"`)

// TestRules_CatchWhatTheyAreFor seeds one violation of every kind, marked in
// the seeded files, and expects exactly those to be found.
func TestRules_CatchWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	root := filepath.Join("testdata", "seeded")
	files, err := archtest.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, check := range [][]archtest.Violation{
		archtest.CheckImports(files, archtest.Rooms), archtest.CheckTestImports(files),
		archtest.CheckCustoms(files), archtest.CheckForm(files),
	} {
		for _, v := range check {
			file, _, _ := strings.Cut(v.Place, ":")
			got = append(got, file+": "+v.What)
		}
	}
	var want []string
	for _, f := range files {
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range wantMark.FindAllStringSubmatch(string(src), -1) {
			want = append(want, f.Name+": "+m[1])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("violations found (-want +got):\n%s", d)
	}
}
