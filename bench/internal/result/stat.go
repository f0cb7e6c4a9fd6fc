package result

import (
	"cmp"
	"slices"
)

// spread is the middle and the ends of some figures.
type spread struct{ median, low, high float64 }

func spreadOf(figures []float64) spread {
	if len(figures) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(figures))
	n := len(s)
	return spread{median: (s[(n-1)/2] + s[n/2]) / 2, low: s[0], high: s[n-1]}
}

// group is the runs of one program of one case.
type group struct {
	program string
	runs    []*Run // those that count; the flagged ones if none does
	flagged []*Run
	wrong   int // runs with a wrong ground truth
}

// noisy says that the group's figures are of flagged runs, because it has no others.
func (g *group) noisy() bool { return len(g.runs) > 0 && g.runs[0].Flagged }

func (g *group) rate() spread {
	return spreadOf(figures(g.runs, func(r *Run) float64 { return r.Rate }))
}

func figures(runs []*Run, of func(*Run) float64) []float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, of(r))
	}
	return all
}

// groups returns the programs of a case in the order they were run.
func (s *Set) groups(c string) []*group {
	var all []*group
	for i := range s.Runs {
		r := &s.Runs[i]
		if r.Case != c {
			continue
		}
		at := slices.IndexFunc(all, func(g *group) bool { return g.program == r.Program })
		if at < 0 {
			at = len(all)
			all = append(all, &group{program: r.Program})
		}
		all[at].add(r)
	}
	for _, g := range all {
		if len(g.runs) == 0 {
			g.runs = g.flagged
		}
	}
	return all
}

func (g *group) add(r *Run) {
	switch {
	case !r.True:
		g.wrong++
	case r.Flagged:
		g.flagged = append(g.flagged, r)
	default:
		g.runs = append(g.runs, r)
	}
}

// cases returns the cases in the order they were run.
func (s *Set) cases() []string {
	var all []string
	for i := range s.Runs {
		if c := s.Runs[i].Case; !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// ratios returns, for each round that both have, the rate of one over that of the other.
func ratios(of, to *group) []float64 {
	var all []float64
	for _, a := range of.runs {
		for _, b := range to.runs {
			if a.Round == b.Round {
				all = append(all, a.Rate/b.Rate)
			}
		}
	}
	return all
}

// micro is the benchmarks of one name.
type micro struct {
	name   string
	ns     spread
	allocs int64
	bytes  int64
}

func (s *Set) micros() []micro {
	byName := map[string][]Micro{}
	var names []string
	for _, m := range s.Micros {
		if byName[m.Name] == nil {
			names = append(names, m.Name)
		}
		byName[m.Name] = append(byName[m.Name], m)
	}
	var all []micro
	for _, name := range names {
		var ns []float64
		for _, m := range byName[name] {
			ns = append(ns, m.NS)
		}
		most := slices.MaxFunc(byName[name], func(a, b Micro) int { return cmp.Compare(a.Allocs, b.Allocs) })
		all = append(all, micro{name: name, ns: spreadOf(ns), allocs: most.Allocs, bytes: most.Bytes})
	}
	return all
}
