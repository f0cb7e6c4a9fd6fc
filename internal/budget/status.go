package budget

import "time"

// Status is how the budget stands.
type Status struct {
	// Max is the org's allocation for 24 hours, Used what it has used of it, with
	// what was allowed since it last said so at Observed. All zero while unknown.
	Max      int64     `json:"max"`
	Used     int64     `json:"used"`
	Observed time.Time `json:"observed,omitzero"`
	// Own is what this process has used in 24 hours.
	Own        int64  `json:"own"`
	Priorities []Line `json:"priorities"`
	// PerHour is by how much the org's use grew in the last hour.
	PerHour int64 `json:"per_hour"`
	// RunsOut is when the allocation is used up if that goes on; zero if it does not
	// within 24 hours.
	RunsOut time.Time `json:"runs_out,omitzero"`
}

// Line is one priority's part of the budget.
type Line struct {
	Priority string `json:"priority"`
	// Limit is the org's use at which the priority stops.
	Limit int64 `json:"limit"`
	// Used is what this process has used for it in 24 hours, Refused how often it was refused.
	Used    int64 `json:"used"`
	Refused int64 `json:"refused"`
	// Open says whether a request would be allowed now.
	Open bool `json:"open"`
}

// Status says how the budget stands.
func (b *Budget) Status() Status {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{Max: b.most, Used: b.usedLocked(now), Observed: b.at, Own: b.ownLocked(now), PerHour: b.seen.since(now, time.Hour)}
	for _, p := range Priorities() {
		l := Line{Priority: p.String(), Limit: b.limitOf(p), Used: b.own[p].sum(now), Refused: b.refused[p], Open: !now.Before(b.spentTil)}
		if b.most > 0 && l.Open {
			_, why := b.roomLocked(now, p, 1)
			l.Open = why == nil
		}
		s.Priorities = append(s.Priorities, l)
	}
	s.RunsOut = runsOut(now, s)
	return s
}

// runsOut goes on from the last hour's growth. What ages out meanwhile is left
// aside, so it may be later, never sooner at that pace.
func runsOut(now time.Time, s Status) time.Time {
	if s.Max == 0 || s.PerHour <= 0 {
		return time.Time{}
	}
	left := float64(max(s.Max-s.Used, 0)) / float64(s.PerHour) * float64(time.Hour)
	if left > float64(day) {
		return time.Time{}
	}
	return now.Add(time.Duration(left))
}
