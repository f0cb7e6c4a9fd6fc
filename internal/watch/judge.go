package watch

import (
	"net/url"
	"time"
)

func alarmID(rule Rule, subject string) string { return string(rule) + "/" + url.PathEscape(subject) }

// sighting is an alarm as one process sees it.
type sighting struct {
	Rule     Rule      `json:"rule"`
	Subject  string    `json:"subject"`
	Severity Severity  `json:"severity"`
	Since    time.Time `json:"since"`
	What     string    `json:"what"`
	Hint     string    `json:"hint,omitempty"`
}

// judge decides from measure to measure. It remembers what it found, so that an
// alarm neither begins nor ends twice for a value that moves about its limit.
type judge struct {
	limits Limits
	// settle is how long all must have been well before an alarm ends.
	settle time.Duration
	seen   map[string]*memory
	heard  map[string]time.Time // when a topic was first seen to be read, by name
	// measured is what the last round measured.
	measured map[string]bool
}

type memory struct {
	sighting
	// well is since when the value is fine; zero while it is not.
	well time.Time
}

func newJudge(l Limits, settle time.Duration) *judge {
	return &judge{limits: l, settle: settle, seen: map[string]*memory{}, heard: map[string]time.Time{}}
}

// remember takes over an alarm that was told before this process could see its
// subject, so that it ends by the same margins as any other.
func (j *judge) remember(id string, s sighting) {
	if j.seen[id] == nil && !j.measured[id] {
		j.seen[id] = &memory{sighting: s}
	}
}

// verdict is what a round found: the alarms, and all that was measured and is well.
type verdict struct {
	sightings map[string]sighting
	well      map[string]bool
}

func (j *judge) judge(f Facts, now time.Time) verdict {
	v := verdict{sightings: map[string]sighting{}, well: map[string]bool{}}
	j.measured = map[string]bool{}
	for _, m := range measures(j.sinceSeen(f, now), j.limits, now) {
		id := m.id()
		j.measured[id] = true
		if s, bad := j.weigh(id, m, now); bad {
			v.sightings[id] = s
		} else {
			v.well[id] = true
		}
	}
	for id := range j.seen {
		if !j.measured[id] {
			delete(j.seen, id) // others see it now, or nobody
		}
	}
	return v
}

// weigh judges one measure by what was found before.
func (j *judge) weigh(id string, m measure, now time.Time) (sighting, bool) {
	old := j.seen[id]
	before := Fine
	if old != nil {
		before = old.Severity
	}
	level := m.level(before)
	switch {
	case level == Fine && old == nil:
		return sighting{}, false
	case level == Fine:
		if old.well.IsZero() {
			old.well = now
		}
		if now.Sub(old.well) < j.settle {
			return old.sighting, true
		}
		delete(j.seen, id)
		return sighting{}, false
	case old == nil:
		old = &memory{sighting: sighting{Rule: m.rule, Subject: m.subject, Since: now.UTC()}}
		j.seen[id] = old
	}
	old.well = time.Time{}
	old.Severity, old.What, old.Hint = level, m.what, m.hint
	return old.sighting, true
}

// sinceSeen adds since when this process reads each topic: a source that has not
// spoken yet may be silent too.
func (j *judge) sinceSeen(f Facts, now time.Time) Facts {
	reading := map[string]time.Time{}
	topics := make([]Topic, len(f.Topics))
	for i, t := range f.Topics {
		if t.Reading {
			first, ok := j.heard[t.Name]
			if !ok {
				first = now
			}
			reading[t.Name] = first
			t.reading = first
		}
		topics[i] = t
	}
	j.heard = reading
	f.Topics = topics
	return f
}
