package result_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

func run(program string, round int, rate float64, flagged, right bool) result.Run {
	return result.Run{
		Kind: "run", Case: "a case", Program: program, Round: round, Events: 1000, Rate: rate, Flagged: flagged, True: right,
		Procs: []result.Process{{Name: program, PerEvent: 1, Peak: 1 << 20}},
	}
}

func tables(t *testing.T, runs ...result.Run) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "r.jsonl")
	if err := result.Append(file, result.Sitting{Kind: "sitting", Name: "full", Date: time.Unix(0, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if err := result.Append(file, r); err != nil {
			t.Fatal(err)
		}
	}
	set, err := result.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return set.Markdown("r.jsonl", []result.Goal{{Case: "a case", Program: "product", Against: "limit", AtLeast: 0.7}})
}

func TestMarkdown_RatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	text := tables(t,
		run("limit", 1, 1000, false, true), run("product", 1, 800, false, true),
		run("limit", 2, 500, false, true), run("product", 2, 400, false, true),
		run("limit", 3, 9999, false, true)) // no partner
	for _, want := range []string{
		"| a case: product, at least 0.70 of limit | 0.80 (0.80 - 0.80) | met |",
		"| product | **600** (400 - 800) | 0.80 (0.80 - 0.80) |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("tables lack %q:\n%s", want, text)
		}
	}
}

func TestMarkdown_LeavesOutWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	text := tables(t,
		run("limit", 1, 1000, false, true), run("product", 1, 500, false, true),
		run("product", 2, 5000, true, true), run("product", 3, 9000, false, false))
	for _, want := range []string{
		"| 0.50 (0.50 - 0.50) | missed |",
		"| 1, and 1 flagged left out, **1 WRONG** |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("tables lack %q:\n%s", want, text)
		}
	}
}

func TestMarkdown_SaysWhenAllRunsAreFlagged(t *testing.T) {
	t.Parallel()
	text := tables(t, run("limit", 1, 1000, true, true), run("product", 1, 900, true, true))
	for _, want := range []string{"| met, on a busy machine |", "**all flagged**"} {
		if !strings.Contains(text, want) {
			t.Errorf("tables lack %q:\n%s", want, text)
		}
	}
}
