package result

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/probe"
)

// Callout is one run of one program that is called over HTTP.
type Callout struct {
	Kind    string        `json:"kind"` // "callout"
	Case    string        `json:"case"`
	Program string        `json:"program"`
	Round   int           `json:"round"`
	Events  int64         `json:"events"`
	Rate    float64       `json:"rate"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Bad     int64         `json:"bad"`
	// CPU is the processor time of the program for one request.
	CPU time.Duration `json:"cpu_ns,omitempty"`
	// True says that the ground truth is what it must be: nothing lost, nothing twice.
	True    bool         `json:"true"`
	Probe   probe.Result `json:"probe"`
	Others  float64      `json:"others_cores"`
	Flagged bool         `json:"flagged"`
}

// CalloutTable compares the second program of each case with the first, round
// by round, in Markdown.
func CalloutTable(runs []Callout) string {
	var b strings.Builder
	b.WriteString("| case | program | requests/s: median (min - max) | of the first | p50 ms | p99 ms | of the first's p99 | processor time us | disk probe p50 ms | runs |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, name := range inOrder(runs, func(r Callout) string { return r.Case }) {
		of := slices.DeleteFunc(slices.Clone(runs), func(r Callout) bool { return r.Case != name })
		programs := inOrder(of, func(r Callout) string { return r.Program })
		for _, p := range programs {
			writeCallouts(&b, name, p, of, programs[0])
		}
	}
	return b.String()
}

func writeCallouts(b *strings.Builder, name, program string, runs []Callout, first string) {
	var rates, ratios, p50, p99, tails, cpus, probes []float64
	wrong, flagged := 0, 0
	for _, r := range runs {
		if r.Program != program {
			continue
		}
		switch {
		case !r.True:
			wrong++
			continue
		case r.Flagged:
			flagged++
		}
		rates, p50, p99 = append(rates, r.Rate), append(p50, millis(r.P50)), append(p99, millis(r.P99))
		probes = append(probes, millis(r.Probe.P50))
		if r.CPU > 0 {
			cpus = append(cpus, float64(r.CPU.Nanoseconds())/1000)
		}
		for _, f := range runs {
			if f.Program == first && f.Round == r.Round && f.True {
				ratios, tails = append(ratios, r.Rate/f.Rate), append(tails, float64(r.P99)/float64(f.P99))
			}
		}
	}
	note := fmt.Sprint(len(rates))
	if wrong > 0 {
		note += fmt.Sprintf(", and %d wrong", wrong)
	}
	if flagged > 0 {
		note += fmt.Sprintf(", %d beside others", flagged)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, program,
		middle(rates, "%.0f"), middle(ratios, "%.2f"), middle(p50, "%.2f"), middle(p99, "%.2f"), middle(tails, "%.2f"), middle(cpus, "%.1f"), middle(probes, "%.2f"), note)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// middle is a median with the least and the most.
func middle(v []float64, form string) string {
	if len(v) == 0 {
		return "-"
	}
	slices.Sort(v)
	median := v[len(v)/2]
	if len(v)%2 == 0 {
		median = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	return fmt.Sprintf("**"+form+"** ("+form+" - "+form+")", median, v[0], v[len(v)-1])
}

// inOrder returns the different names in the order in which they first come.
func inOrder(runs []Callout, name func(Callout) string) (out []string) {
	for _, r := range runs {
		if n := name(r); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
