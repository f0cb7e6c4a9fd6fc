package result

import (
	"fmt"
	"slices"
	"strings"
)

// memory compares what was resident early in the counted time with what was late in
// it. It says nothing of runs that were too short to tell.
func memory(b *strings.Builder, groups []*group) {
	const least = 8 // samples
	head := true
	for _, g := range groups {
		for _, r := range g.runs {
			v := slices.Clone(r.Procs[0].Resident)
			if len(v) < least {
				continue
			}
			if head {
				b.WriteString("\n| resident memory | median of the second quarter of the time | of the last quarter | most | samples |\n| --- | --- | --- | --- | --- |\n")
				head = false
			}
			q := len(v) / 4
			fmt.Fprintf(b, "| %s, round %d | %d MB | %d MB | %d MB | %d |\n", g.program, r.Round,
				middleOf(v[q:2*q])>>20, middleOf(v[len(v)-q:])>>20, slices.Max(v)>>20, len(v))
		}
	}
}

func middleOf(v []int64) int64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
