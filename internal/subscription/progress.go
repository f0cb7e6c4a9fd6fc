package subscription

import "time"

// CatchUp is how the reading of a backlog goes.
type CatchUp struct {
	// Since is when it began; From the time of the first event read then.
	Since time.Time `json:"since"`
	From  time.Time `json:"from"`
	// Events is how many were stored, PerSecond how fast.
	Events    int64   `json:"events"`
	PerSecond float64 `json:"per_second"`
	// Speed is how many seconds of the stream are read in a second. At 1 or less
	// the end is not reached.
	Speed float64 `json:"speed"`
	// Left is how long it takes to the newest event at that speed; 0 where that is
	// not known.
	Left time.Duration `json:"left_ns"`
}

// progress measures a catching up. The committer alone writes it, under
// Subscriber.mu.
type progress struct {
	since, from, at time.Time
	events          int64
}

// note takes in a stored step of a backlog.
func (p *progress) note(now, eventTime time.Time, events int) {
	if p.since.IsZero() {
		// What was stored before now was not measured, so it does not count.
		*p = progress{since: now, from: eventTime, at: eventTime}
		return
	}
	p.at = eventTime
	p.events += int64(events)
}

// show returns the progress as of now; nil when nothing is being caught up with.
func (p *progress) show(now time.Time) *CatchUp {
	if p.since.IsZero() {
		return nil
	}
	c := &CatchUp{Since: p.since, From: p.from, Events: p.events}
	took := now.Sub(p.since)
	if took <= 0 {
		return c
	}
	c.PerSecond = float64(p.events) / took.Seconds()
	c.Speed = p.at.Sub(p.from).Seconds() / took.Seconds()
	if c.Speed > 1 {
		// The newest event moves on by a second in each second.
		c.Left = time.Duration(now.Sub(p.at).Seconds() / (c.Speed - 1) * float64(time.Second))
	}
	return c
}
