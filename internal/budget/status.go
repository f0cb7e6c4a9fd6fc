package budget

import "time"

// Status is how the budget stands.
type Status struct {
	// Max is the org's allocation for 24 hours, Used what it has used of it, with
	// what was allowed since it last said so at Observed. All zero while unknown.
	Max      int64     `json:"max"`
	Used     int64     `json:"used"`
	Observed time.Time `json:"observed,omitzero"`
	// Own is what all processes that share the store have used in 24 hours, Here what
	// this one has.
	Own        int64  `json:"own"`
	Here       int64  `json:"here"`
	Priorities []Line `json:"priorities"`
	// PerHour is by how much the org's use grew in the last hour.
	PerHour int64 `json:"per_hour"`
	// RunsOut is when the allocation is used up if that goes on; zero if it does not
	// within 24 hours.
	RunsOut time.Time `json:"runs_out,omitzero"`
	// SpentUntil is until when no request is made because the org refused one for its
	// limit; zero if it did not.
	SpentUntil time.Time `json:"spent_until,omitzero"`
	// Allowances are the org's other allowances, as its limits resource tells: events
	// delivered and published, Bulk API jobs.
	Allowances []Allowance `json:"allowances"`
	// Why says what the budget cannot know now; empty if it knows all.
	Why string `json:"why,omitempty"`
}

// Line is one priority's part of the budget.
type Line struct {
	Priority string `json:"priority"`
	// Limit is the org's use at which the priority stops.
	Limit int64 `json:"limit"`
	// Used is what all processes have used for it in 24 hours, Refused how often it was
	// refused in that time.
	Used    int64 `json:"used"`
	Refused int64 `json:"refused"`
	// Open says whether a request would be allowed now.
	Open bool `json:"open"`
}

// Allowance is how one of the org's allowances stands.
type Allowance struct {
	// Name is that of the limits resource.
	Name     string    `json:"name"`
	Max      int64     `json:"max"`
	Used     int64     `json:"used"`
	Observed time.Time `json:"observed"`
	PerHour  int64     `json:"per_hour"`
	// RunsOut is when it is used up at the last hour's pace; zero if it is not within
	// 24 hours, or if the allowance is for an hour.
	RunsOut time.Time `json:"runs_out,omitzero"`
}

// Status says how the budget stands.
func (b *Budget) Status() Status {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	api := b.api.status(now)
	api.Used += b.granted.sum
	s := Status{
		Max: api.Max, Used: api.Used, Observed: api.Observed, PerHour: api.PerHour, RunsOut: runsOut(now, api),
		Own: b.ownLocked(now), Allowances: b.allowancesLocked(now),
	}
	spent := now.Before(b.spentTil)
	if spent {
		s.SpentUntil = b.spentTil.UTC()
	}
	used, refused := b.account.sums(now)
	for _, p := range Priorities() {
		s.Here += b.mine[p].sum(now)
		l := Line{Priority: p.String(), Limit: b.limitOf(p), Used: used[p], Refused: refused[p], Open: !spent}
		if api.Max > 0 && l.Open {
			_, why := b.roomLocked(now, p, 1)
			l.Open = why == nil
		}
		s.Priorities = append(s.Priorities, l)
	}
	s.Why = b.whyLocked()
	return s
}

func (b *Budget) whyLocked() string {
	switch {
	case b.trouble[troubleBook] != nil:
		return "what other processes use is not known: " + b.trouble[troubleBook].Error()
	case b.trouble[troubleLimits] != nil:
		return "the org's limits cannot be read: " + b.trouble[troubleLimits].Error()
	}
	return ""
}
