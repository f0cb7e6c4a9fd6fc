package result

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Goal is what a program's rate must be next to another's.
type Goal struct {
	Case, Program, Against string
	AtLeast                float64
}

// Markdown writes the tables of a sitting.
func (s *Set) Markdown(file string, goals []Goal) string {
	var b strings.Builder
	m := s.Sitting.Machine
	fmt.Fprintf(&b, "Sitting of %s UTC (`%s`), raw numbers in [`%s`](%s), product at commit `%s`.\n\n",
		s.Sitting.Date.Format("2006-01-02 15:04"), s.Sitting.Name, file, file, s.Sitting.Commit)
	fmt.Fprintf(&b, "Machine: %d cores, %s, %d GiB, Linux %s, %s; %s, Node.js %s, PostgreSQL %s.\n",
		m.Cores, m.CPU, m.Memory>>30, m.Kernel, m.Disk, m.Go, m.Node, m.Postgres)
	s.goals(&b, goals)
	for _, c := range s.cases() {
		s.table(&b, c)
	}
	s.microTable(&b)
	return b.String()
}

func (s *Set) goals(b *strings.Builder, goals []Goal) {
	goals = slices.DeleteFunc(slices.Clone(goals), func(g Goal) bool { return !slices.Contains(s.cases(), g.Case) })
	fmt.Fprintf(b, "\n### Goals\n\n| goal | ratio: median (min - max) of the rounds | |\n| --- | --- | --- |\n")
	for _, g := range goals {
		of, to := s.group(g.Case, g.Program), s.group(g.Case, g.Against)
		r := spreadOf(ratios(of, to))
		said := verdict(r.median, r.median >= g.AtLeast)
		if of.noisy() || to.noisy() {
			said += ", on a busy machine"
		}
		fmt.Fprintf(b, "| %s: %s, at least %.2f of %s | %.2f (%.2f - %.2f) | %s |\n",
			g.Case, g.Program, g.AtLeast, g.Against, r.median, r.low, r.high, said)
	}
	for _, m := range s.micros() {
		if name, ok := strings.CutPrefix(m.name, "product, "); ok {
			fmt.Fprintf(b, "| Avro to JSON: product, %s, at most 2 us and no allocation | %.2f us (%.2f - %.2f), %d allocations | %s |\n",
				name, m.ns.median/1000, m.ns.low/1000, m.ns.high/1000, m.allocs,
				verdict(m.ns.median, m.ns.median <= 2000 && m.allocs == 0))
		}
	}
}

func verdict(measured float64, met bool) string {
	switch {
	case measured == 0:
		return "not measured"
	case met:
		return "met"
	}
	return "missed"
}

// group returns a program's runs; an empty group if there are none.
func (s *Set) group(c, program string) *group {
	all := s.groups(c)
	if i := slices.IndexFunc(all, func(g *group) bool { return g.program == program }); i >= 0 {
		return all[i]
	}
	return &group{}
}

func (s *Set) table(b *strings.Builder, c string) {
	fmt.Fprintf(b, "\n### %s%s\n\n", strings.ToUpper(c[:1]), c[1:])
	b.WriteString("| program | events/s: median (min - max) | of the first row | processor time per event | resident, most | disk probe p50 / p99 | runs |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- |\n")
	groups := s.groups(c)
	for _, g := range groups {
		r, ratio := g.rate(), spreadOf(ratios(g, groups[0]))
		fmt.Fprintf(b, "| %s | **%s** (%s - %s) | %.2f (%.2f - %.2f) | %s | %s | %s | %s |\n",
			g.program, thousands(r.median), thousands(r.low), thousands(r.high),
			ratio.median, ratio.low, ratio.high, g.processor(), g.memory(), g.probe(), g.count())
	}
	if len(groups) > 0 && len(groups[0].runs) > 0 {
		r := groups[0].runs[0]
		fmt.Fprintf(b, "\n%s events a run after %s of warm-up%s.\n", thousands(float64(r.Events)), thousands(float64(r.Warm)), others(groups, r.Events))
	}
	memory(b, groups)
}

// others names the programs that ran with another number of events.
func others(groups []*group, events int64) string {
	var text string
	for _, g := range groups {
		if len(g.runs) > 0 && g.runs[0].Events != events {
			text += fmt.Sprintf("; %s: %s", g.program, thousands(float64(g.runs[0].Events)))
		}
	}
	return text
}

// processes returns the names of the processes, in order.
func (g *group) processes() []string {
	var names []string
	for _, r := range g.runs {
		for _, p := range r.Procs {
			if !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

func (g *group) of(name string, of func(Process) float64) spread {
	return spreadOf(figures(g.runs, func(r *Run) float64 {
		for _, p := range r.Procs {
			if p.Name == name {
				return of(p)
			}
		}
		return 0
	}))
}

// short names a process in a cell of the table.
func (g *group) short(name string) string {
	if name == g.program {
		return "itself"
	}
	return name
}

func (g *group) processor() string {
	var cells []string
	for _, name := range g.processes() {
		us, cores := g.of(name, func(p Process) float64 { return p.PerEvent }), g.of(name, func(p Process) float64 { return p.Cores })
		cells = append(cells, fmt.Sprintf("%s %.1f us (%.2f cores)", g.short(name), us.median, cores.median))
	}
	return strings.Join(cells, ", ")
}

func (g *group) memory() string {
	var cells []string
	for _, name := range g.processes() {
		if name == "bus" {
			continue
		}
		peak := g.of(name, func(p Process) float64 { return float64(p.Peak) })
		cells = append(cells, fmt.Sprintf("%s %.0f MB", g.short(name), peak.median/(1<<20)))
	}
	return strings.Join(cells, ", ")
}

func (g *group) probe() string {
	p50 := spreadOf(figures(g.runs, func(r *Run) float64 { return float64(r.Probe.P50) / float64(time.Millisecond) }))
	p99 := spreadOf(figures(g.runs, func(r *Run) float64 { return float64(r.Probe.P99) / float64(time.Millisecond) }))
	return fmt.Sprintf("%.2f / %.2f ms", p50.median, p99.median)
}

func (g *group) count() string {
	text := fmt.Sprint(len(g.runs))
	switch {
	case g.noisy():
		text += ", **all flagged**"
	case len(g.flagged) > 0:
		text += fmt.Sprintf(", and %d flagged left out", len(g.flagged))
	}
	if g.wrong > 0 {
		text += fmt.Sprintf(", **%d WRONG**", g.wrong)
	}
	return text
}

func (s *Set) microTable(b *strings.Builder) {
	all := s.micros()
	if len(all) == 0 {
		return
	}
	b.WriteString("\n### Avro to JSON alone\n\n| way | processor time per event: median (min - max) | allocations | bytes |\n| --- | --- | --- | --- |\n")
	for _, m := range all {
		fmt.Fprintf(b, "| %s | **%.2f us** (%.2f - %.2f) | %d | %d |\n",
			m.name, m.ns.median/1000, m.ns.low/1000, m.ns.high/1000, m.allocs, m.bytes)
	}
}

func thousands(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
