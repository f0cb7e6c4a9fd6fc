package watch

import (
	"fmt"
	"time"
)

// measure is one value held against its limits.
type measure struct {
	rule    Rule
	subject string
	// value is compared; below says that small values are the bad ones.
	value             float64
	warning, critical float64 // 0 is never
	below             bool
	// holds: what is measured goes on, so that an alarm of it does not end, however
	// small the value is.
	holds      bool
	what, hint string
}

// level is how bad the value is, given how bad it was: an alarm ends, or becomes
// less bad, only when its limit is left behind by a tenth.
func (m measure) level(before Severity) Severity {
	now := Fine
	switch {
	case m.beyond(m.critical, 1):
		now = Critical
	case m.beyond(m.warning, 1):
		now = Warning
	}
	if m.holds && before.Worse(now) {
		return before
	}
	if before == Critical && now != Critical && m.beyond(m.critical, 0.9) {
		return Critical
	}
	if before != Fine && now == Fine && m.beyond(m.warning, 0.9) {
		return Warning
	}
	return now
}

// beyond tells whether the value is on the bad side of a limit, or within the margin
// before it.
func (m measure) beyond(limit, margin float64) bool {
	switch {
	case limit == 0:
		return false
	case m.below:
		return m.value < limit/margin
	}
	return m.value >= limit*margin
}

// id is the same for every process and at all times.
func (m measure) id() string { return alarmID(m.rule, m.subject) }

// rising measures how long something has lasted.
func rising(rule Rule, subject string, value time.Duration, l Limit[time.Duration]) measure {
	return measure{rule: rule, subject: subject, value: float64(value), warning: float64(l.Warning), critical: float64(l.Critical)}
}

// certain is bad whatever the limits.
func certain(rule Rule, subject string, bad bool) measure {
	m := measure{rule: rule, subject: subject, critical: 1}
	if bad {
		m.value = 1
	}
	return m
}

func (m measure) says(hint, format string, args ...any) measure {
	m.what, m.hint = fmt.Sprintf(format, args...), hint
	return m
}

// rough is a duration as people say it.
func rough(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
