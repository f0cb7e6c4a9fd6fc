package watch

import (
	"fmt"
	"time"
)

// measures takes all measures of the facts.
func measures(f Facts, l Limits, now time.Time) (all []measure) {
	for _, t := range f.Topics {
		all = append(all, topicMeasures(t, l, now)...)
	}
	all = append(all, gapMeasures(f, l, now)...)
	for _, r := range f.Routes {
		all = append(all, routeMeasures(r, l, now)...)
	}
	for _, w := range f.Workers {
		all = append(all, certain(RuleWorker, w.Name, w.Failed).says("see the log; restart the gateway when it is mended", "%s has failed: %s", w.Name, w.Why))
	}
	for _, b := range f.Brokers {
		all = append(all, certain(RuleBroker, b.Name, b.Alarm != "").says(b.Hint, "%s: %s", b.Name, b.Alarm))
	}
	for _, a := range f.Allowances {
		all = append(all, allowanceMeasures(a, l, now)...)
	}
	return all
}

func topicMeasures(t Topic, l Limits, now time.Time) (all []measure) {
	because := ""
	if t.Why != "" {
		because = ": " + t.Why
	}
	all = append(all, certain(RuleTopic, t.Name, t.Failed).says(t.Hint, "%s cannot be read%s", t.Name, because))
	if t.Stored {
		m := rising(RuleWindow, t.Name, t.Left, l.Window)
		m.below = true
		what := fmt.Sprintf("the position stored for %s expires in %s", t.Name, rough(max(t.Left, 0)))
		if t.Left <= 0 {
			what = "the position stored for " + t.Name + " has expired: what was published before is no longer kept"
		}
		all = append(all, m.says("let the topic be read before that, or events are lost: see sallyport status", "%s%s", what, because))
	}
	if silent, known := t.silent(l, now); known {
		all = append(all, rising(RuleSilence, t.Name, silent, l.Silence).
			says("check the network and the org's status; a stream that is dead is opened anew by itself",
				"%s has been silent for %s, keep-alives included%s", t.Name, rough(silent), because))
	}
	if t.Heard.IsZero() {
		return all // how late it is shows with the first events
	}
	return append(all, rising(RuleLag, t.Name, t.Lag, l.Lag).
		says("see the rate and the time left in sallyport status", "events of %s are stored %s after they were published", t.Name, rough(t.Lag)))
}

// silent is for how long the source has been silent. One that has not spoken to this
// process yet is judged only once that alone is too long: it may have been silent
// before the process began, and its alarm must not end for that.
func (t Topic) silent(l Limits, now time.Time) (d time.Duration, known bool) {
	switch {
	case !t.Reading:
		return 0, false
	case !t.Heard.IsZero():
		return now.Sub(t.Heard), true
	}
	d = now.Sub(t.reading)
	patience := l.Silence.Warning
	if patience == 0 {
		patience = l.Silence.Critical
	}
	return d, d >= patience
}

// gapMeasures measures a topic by the worst of its holes.
func gapMeasures(f Facts, l Limits, now time.Time) (all []measure) {
	worst := map[string]measure{}
	for _, topic := range f.GapTopics {
		worst[topic] = rising(RuleGap, topic, 0, l.Gap)
	}
	count := map[string]int{}
	for _, g := range f.Gaps {
		count[g.Topic]++
		m := rising(RuleGap, g.Topic, now.Sub(g.Opened), l.Gap).
			says("see sallyport gaps show "+fmt.Sprint(g.Number), "gap %d of %s (%s) has been open for %s", g.Number, g.Topic, g.Cause, rough(now.Sub(g.Opened)))
		if g.Lost {
			m = certain(RuleGap, g.Topic, true).
				says(fmt.Sprintf("ask the publishers to publish again, then sallyport gaps accept %d", g.Number),
					"gap %d of %s: events published %s are lost (%s)", g.Number, g.Topic, span(g), g.Cause)
		}
		if old, ok := worst[g.Topic]; !ok || m.level(Fine).Worse(old.level(Fine)) || old.what == "" {
			worst[g.Topic] = m
		}
	}
	for topic, m := range worst {
		if n := count[topic]; n > 1 {
			m.what += fmt.Sprintf("; %d gaps in all", n)
		}
		all = append(all, m)
	}
	return all
}

func span(g Gap) string {
	from, until := "at an unknown time", ""
	if !g.From.IsZero() {
		from = "after " + g.From.UTC().Format(time.RFC3339)
	}
	if !g.Until.IsZero() {
		until = " and before " + g.Until.UTC().Format(time.RFC3339)
	}
	return from + until
}

func routeMeasures(r Route, l Limits, now time.Time) (all []measure) {
	paused := time.Duration(0)
	if !r.Paused.IsZero() {
		paused = now.Sub(r.Paused)
	}
	pause := rising(RulePaused, r.Name, paused, l.Paused)
	pause.holds = paused > 0 // also when the process is new and has waited anew
	all = append(all, pause.
		says(orElse(r.Hint, "see that the application answers"), "route %s has waited for its application for %s: %s", r.Name, rough(paused), r.Why))
	if !r.Known {
		return all
	}
	dead := measure{rule: RuleDead, subject: r.Name, value: float64(r.Dead), warning: float64(l.Dead.Warning), critical: float64(l.Dead.Critical)}
	all = append(all, dead.says("see sallyport deadletters list --route "+r.Name+", then redrive", "route %s has %d dead letter(s)", r.Name, r.Dead))
	waited := time.Duration(0)
	if !r.Oldest.IsZero() {
		waited = now.Sub(r.Oldest)
	}
	return append(all, rising(RuleWaiting, r.Name, waited, l.Waiting).
		says("see why in sallyport status and sallyport events list --state waiting",
			"route %s: the oldest of %d waiting event(s) has waited for %s", r.Name, r.Waiting, rough(waited)))
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// allowanceMeasures measures what is used, and when the rest is.
func allowanceMeasures(a Allowance, l Limits, now time.Time) []measure {
	const hint = "see who uses it in sallyport budget; ask Salesforce for more if this is no accident"
	percent := 100 * float64(a.Used) / float64(max(a.Max, 1))
	used := measure{rule: RuleAllowance, subject: a.Name, value: percent, warning: float64(l.Used.Warning), critical: float64(l.Used.Critical)}
	used = used.says(hint, "%d of %d %s are used (%.0f %%)", a.Used, a.Max, a.Name, percent)
	if a.Spent {
		used = certain(RuleAllowance, a.Name, true).says(hint, "the org refuses requests: %d of %d %s are used", a.Used, a.Max, a.Name)
	}
	soon := measure{
		rule: RuleForecast, subject: a.Name, value: float64(1000 * time.Hour), below: true,
		warning: float64(l.RunsOut.Warning), critical: float64(l.RunsOut.Critical),
	}
	if !a.RunsOut.IsZero() {
		left := max(a.RunsOut.Sub(now), 0)
		soon.value = float64(left)
		soon = soon.says(hint, "%s are used up in %s at the present pace: %d of %d by now", a.Name, rough(left), a.Used, a.Max)
	}
	return []measure{used, soon}
}
