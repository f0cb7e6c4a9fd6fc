package cli_test

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

// In a terminal that is too narrow for a table each row is a paragraph that fits, with
// all that the table says.
func TestReads_FitANarrowTerminal(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	narrow := func(d *cli.Deps) { d.Width = func(io.Writer) int { return 60 } }
	for _, args := range []string{"status", "audit", "events list", "deadletters list", "gaps list", "alarms"} {
		fields := append(strings.Fields(args), "-c", file)
		wide, got := command(t, sample(), fields), command(t, sample(), fields, narrow)
		for _, line := range strings.Split(got.stdout, "\n") {
			if utf8.RuneCountInString(line) > 60 && strings.Contains(strings.TrimSpace(line), " ") && !strings.HasPrefix(line, "gateway ") && !strings.Contains(line, "see sallyport") {
				t.Errorf("%s: a line of %d: %q", args, utf8.RuneCountInString(line), line)
			}
		}
		for _, word := range strings.Fields(wide.stdout) {
			if word != "-" && strings.ToUpper(word) != word && !strings.Contains(got.stdout, word) {
				t.Errorf("%s: %q is missing:\n%s", args, word, got.stdout)
			}
		}
		if got.code != wide.code {
			t.Errorf("%s: exit code %d, want %d", args, got.code, wide.code)
		}
	}
	got := command(t, sample(), []string{"status", "-c", file}, narrow)
	want := `orders
  activity paused  since 1m00s ago  accepted 10  delivered 7
  dead 1  waiting 2  in flight 0  redelivered 3
  oldest waiting 1m30s
  why connection refused; try: start the application; next
    probe in 4s
`
	if !strings.Contains(got.stdout, want) {
		t.Errorf("status at 60 columns:\n%s\nwant in it:\n%s", got.stdout, want)
	}
}
