package scale

import "time"

// trend is for how long more, or fewer, processes have been wanted than there are.
type trend struct {
	up    bool
	since time.Time // zero while as many are wanted as there are
	// mild is the smallest change that was wanted in that time.
	mild int
}

// judge takes in what is wanted now and returns how many there should be: another
// number only when the direction has lasted, and then the one that every look has agreed to.
func (t *trend) judge(now time.Time, have, wanted int, c Config) int {
	if wanted == have {
		*t = trend{}
		return have
	}
	up := wanted > have
	if t.since.IsZero() || t.up != up {
		*t = trend{up: up, since: now, mild: wanted}
	}
	lasting := c.DownAfter
	if up {
		t.mild, lasting = min(t.mild, wanted), c.UpAfter
	} else {
		t.mild = max(t.mild, wanted)
	}
	if now.Sub(t.since) < lasting {
		return have
	}
	if up != (t.mild > have) { // the number there is has changed meanwhile
		*t = trend{up: up, since: now, mild: wanted}
		return have
	}
	return t.mild
}
