package result

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/probe"
)

// Deploy is one run of deploys under load.
type Deploy struct {
	Kind   string  `json:"kind"` // "deploy"
	Case   string  `json:"case"`
	Round  int     `json:"round"`
	Asked  float64 `json:"asked_rate"`
	Events int64   `json:"events"`
	Rate   float64 `json:"rate"`
	// Pauses has, for each deploy, the longest time without an arrival after the old
	// gateway was told to stop; Quiet the same for the time before, without a deploy.
	// Both are sorted.
	Pauses []time.Duration `json:"pauses_ns"`
	Quiet  []time.Duration `json:"quiet_ns"`
	// Near and Far are the times from publishing to arrival, of what was published
	// around deploys and of the rest.
	Near Quantiles `json:"near"`
	Far  Quantiles `json:"far"`
	// Lost and Twice are the ground truth at the application; Bad counts arrivals of
	// what was never published. Finding is what the store's audit found.
	Lost    int64  `json:"lost"`
	Twice   int64  `json:"twice"`
	Bad     int64  `json:"bad"`
	Finding string `json:"finding,omitempty"`
	// True says that nothing was lost and the store adds up.
	True    bool         `json:"true"`
	Probe   probe.Result `json:"probe"`
	Others  float64      `json:"others_cores"`
	Flagged bool         `json:"flagged"`
}

// Quantiles are those of some times.
type Quantiles struct {
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
	Most time.Duration `json:"most_ns"`
}

// QuantilesOf sorts v.
func QuantilesOf(v []time.Duration) Quantiles {
	if len(v) == 0 {
		return Quantiles{}
	}
	slices.Sort(v)
	return Quantiles{P50: v[len(v)/2], P99: v[len(v)*99/100], Most: v[len(v)-1]}
}

// DeployTable puts all rounds of each case together, in Markdown. With fewer than a
// hundred deploys the 99th percentile of the pauses is the longest.
func DeployTable(runs []Deploy) string {
	var b strings.Builder
	b.WriteString("| deploy | events/s | deploys | pause p50 / p99 ms | longest silence without a deploy p50 / p99 ms | delivery p50 / p99 / most ms around deploys | without | lost | twice | disk probe p50 ms | runs |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var names []string
	for _, r := range runs {
		if !slices.Contains(names, r.Case) {
			names = append(names, r.Case)
		}
	}
	for _, name := range names {
		writeDeploys(&b, name, slices.DeleteFunc(slices.Clone(runs), func(r Deploy) bool { return r.Case != name }))
	}
	return b.String()
}

func writeDeploys(b *strings.Builder, name string, runs []Deploy) {
	var rates, near50, near99, nearMost, far50, far99, farMost, probes []float64
	var pauses, quiet []time.Duration
	var lost, twice int64
	note := fmt.Sprint(len(runs))
	for _, r := range runs {
		pauses, quiet = append(pauses, r.Pauses...), append(quiet, r.Quiet...)
		rates, probes = append(rates, r.Rate), append(probes, millis(r.Probe.P50))
		near50, near99, nearMost = append(near50, millis(r.Near.P50)), append(near99, millis(r.Near.P99)), append(nearMost, millis(r.Near.Most))
		far50, far99, farMost = append(far50, millis(r.Far.P50)), append(far99, millis(r.Far.P99)), append(farMost, millis(r.Far.Most))
		lost, twice = lost+r.Lost, twice+r.Twice
		if !r.True {
			note += ", **WRONG** " + r.Finding
		}
		if r.Flagged {
			note += ", flagged"
		}
	}
	p, q := QuantilesOf(pauses), QuantilesOf(quiet)
	fmt.Fprintf(b, "| %s | %.0f of %.0f | %d | **%.0f / %.0f** | %.0f / %.0f | %.1f / %.1f / %.0f | %.1f / %.1f / %.0f | **%d** | %d | %.2f | %s |\n", name,
		spreadOf(rates).median, runs[0].Asked, len(pauses), millis(p.P50), millis(p.P99), millis(q.P50), millis(q.P99),
		spreadOf(near50).median, spreadOf(near99).median, spreadOf(nearMost).high, spreadOf(far50).median, spreadOf(far99).median, spreadOf(farMost).high,
		lost, twice, spreadOf(probes).median, note)
}
