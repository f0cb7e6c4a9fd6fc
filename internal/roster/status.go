package roster

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Status is how the patterns stand.
type Status struct {
	Patterns []PatternStatus `json:"patterns"`
	// Listed is when the org was last asked, by any process; zero if never.
	Listed time.Time `json:"listed,omitzero"`
	// Why is what keeps it from being asked again; empty if nothing does.
	Why  string `json:"why,omitempty"`
	Hint string `json:"hint,omitempty"`
	// NextTry is when it is asked again after a failure.
	NextTry time.Time `json:"next_try,omitzero"`
	// Failed says that a person is needed.
	Failed bool `json:"failed,omitempty"`
}

// PatternStatus is one pattern and the channels it stands for now.
type PatternStatus struct {
	Pattern  string   `json:"pattern"`
	Channels []string `json:"channels"`
}

// failedAfter is how many intervals without a listing need a person, whatever the reason.
const failedAfter = 3

// Status says how the patterns stand now.
func (r *Roster) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Patterns = slices.Clone(s.Patterns)
	if s.Why != "" && !s.Listed.IsZero() && time.Since(s.Listed) > failedAfter*r.cfg.Every+r.cfg.Timeout {
		s.Failed = true
	}
	return s
}

// show takes over what the book says; what was wrong before is over.
func (r *Roster) show(p page) {
	s := Status{Listed: p.listed}
	for _, pattern := range r.cfg.Patterns {
		one := PatternStatus{Pattern: pattern.String(), Channels: []string{}}
		for _, c := range p.channels([]salesforce.TopicPattern{pattern}) {
			one.Channels = append(one.Channels, c.Topic.String())
		}
		s.Patterns = append(s.Patterns, one)
	}
	r.mu.Lock()
	r.status = s
	r.mu.Unlock()
}

// trouble shows what went wrong, and logs it once.
func (r *Roster) trouble(ctx context.Context, err error, hint string, failed bool) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	again := r.status.Why == err.Error()
	r.status.Why, r.status.Hint, r.status.NextTry, r.status.Failed = err.Error(), hint, r.retry, failed
	r.mu.Unlock()
	if !again {
		r.deps.Log.Warn("custom channels cannot be followed, those known are read on", "next", r.retry, "err", err)
	}
}
