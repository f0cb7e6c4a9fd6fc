package subscription

import (
	"errors"
	"fmt"
	"time"
)

// Config sets how one topic is read. Zero means the default.
type Config struct {
	// Name under which position, lease and gaps are kept; default Topic. Renaming
	// a subscription makes it start anew.
	Name string
	// Topic for people and metrics; required.
	Topic string
	// Holder names this process to others that want the lease; required.
	Holder string
	// Earliest begins a subscription without a position at the oldest retained
	// event; otherwise it begins with what is published from now on.
	Earliest bool
	// SourceKeeps: the source keeps the position (its streams are event.Committers) and
	// decides where each stream begins. Ours is then kept for people only.
	SourceKeeps bool
	// LeaseTTL is how long the topic stays ours after the process dies; default 15 s.
	LeaseTTL time.Duration
	// StandbyPoll is how often a standby asks for the lease; default 250 ms. It is
	// the pause that a hand-over takes.
	StandbyPoll time.Duration
	// MaxEvents and MaxBytes bound what has been received and waits to be stored;
	// the receiver stops reading at either. Defaults 2,000 and 16 MiB. As much again may
	// be on its way to the disk. They also bound one transaction: a larger one
	// stores hardly faster, and claims and settlements would wait behind it.
	MaxEvents, MaxBytes int
	// Recent is how many ids of accepted events are remembered per route to
	// recognise duplicates; default 50,000 (about 3 MB). RecoverRecent is used while
	// the retained events are read again after a refused position; default 500,000.
	Recent, RecoverRecent int
	// BackoffFirst and BackoffMax bound the wait before connecting again, which
	// doubles (with full jitter) while connections fail; defaults 1 s and 60 s.
	BackoffFirst, BackoffMax time.Duration
	// HealthyAfter is how long a stream must have served for its end to count as
	// the first failure again; default 30 s.
	HealthyAfter time.Duration
	// PermanentRetry is the wait after a failure that needs a person; default 5 min.
	PermanentRetry time.Duration
	// Watchdog is the longest silence of a stream; default 300 s, above the
	// 270 s within which the Pub/Sub API promises a keep-alive.
	Watchdog time.Duration
	// LiveWithin is the age up to which events count as live; default 1 min.
	LiveWithin time.Duration
	// IdlePersist is the least time between stored positions of a quiet topic;
	// default 10 min.
	IdlePersist time.Duration
	// Window is how long the source retains events; default 72 h.
	Window time.Duration
	// Overlap is how far before the last event received a refill begins, so that
	// differing clocks and long transactions make no hole; default 5 min.
	Overlap time.Duration
	// RefillPatience is how long a refill that cannot go on keeps the stream
	// waiting before it is put off; default 10 min.
	RefillPatience time.Duration
	// RefillRetry is the least wait before a refill that was put off is tried again;
	// default 15 min.
	RefillRetry time.Duration
	// GapPoll is how often the store is asked for gaps to refill that a person or
	// another process asked for; default 10 s.
	GapPoll time.Duration
	// GroupQuiet is how long a topic must be quiet for the transaction that its last
	// change belongs to to count as complete, where a route takes transactions; default 2 s.
	GroupQuiet time.Duration
	// GroupMax and GroupBytes bound a group of changes; a longer transaction comes as
	// several. Defaults 1,000 and 4 MiB.
	GroupMax, GroupBytes int
	// FlushTimeout bounds the last storing and the release of the lease at a
	// stop; default 1500 ms.
	FlushTimeout time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.Name == "" {
		c.Name = c.Topic
	}
	for _, d := range []struct {
		v  *int
		to int
	}{
		{&c.MaxEvents, 2_000},
		{&c.MaxBytes, 16 << 20},
		{&c.Recent, 50_000},
		{&c.RecoverRecent, 500_000},
		{&c.GroupMax, 1_000},
		{&c.GroupBytes, 4 << 20},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&c.LeaseTTL, 15 * time.Second},
		{&c.StandbyPoll, 250 * time.Millisecond},
		{&c.BackoffFirst, time.Second},
		{&c.BackoffMax, time.Minute},
		{&c.HealthyAfter, 30 * time.Second},
		{&c.PermanentRetry, 5 * time.Minute},
		{&c.Watchdog, 300 * time.Second},
		{&c.LiveWithin, time.Minute},
		{&c.IdlePersist, 10 * time.Minute},
		{&c.Window, 72 * time.Hour},
		{&c.Overlap, 5 * time.Minute},
		{&c.RefillPatience, 10 * time.Minute},
		{&c.RefillRetry, 15 * time.Minute},
		{&c.GapPoll, 10 * time.Second},
		{&c.GroupQuiet, 2 * time.Second},
		{&c.FlushTimeout, 1500 * time.Millisecond},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.Topic == "" {
		errs = append(errs, errors.New("subscription has no topic"))
	}
	if c.Holder == "" {
		errs = append(errs, errors.New("subscription has no holder name"))
	}
	for name, n := range map[string]int{
		"pending events": c.MaxEvents, "pending bytes": c.MaxBytes,
		"changes in a group": c.GroupMax, "bytes in a group": c.GroupBytes,
		"remembered ids": c.Recent, "remembered ids in recovery": c.RecoverRecent,
	} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("bound of %s is less than 1: %d", name, n))
		}
	}
	for name, d := range map[string]time.Duration{
		"lease": c.LeaseTTL, "standby poll": c.StandbyPoll, "first backoff": c.BackoffFirst,
		"healthy after": c.HealthyAfter, "permanent retry": c.PermanentRetry, "watchdog": c.Watchdog,
		"live within": c.LiveWithin, "idle persist": c.IdlePersist, "window": c.Window, "flush timeout": c.FlushTimeout,
		"overlap": c.Overlap, "refill patience": c.RefillPatience, "refill retry": c.RefillRetry, "gap poll": c.GapPoll,
		"group quiet": c.GroupQuiet,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is not positive: %s", name, d))
		}
	}
	if c.BackoffMax < c.BackoffFirst {
		errs = append(errs, fmt.Errorf("largest backoff %s is less than the first %s", c.BackoffMax, c.BackoffFirst))
	}
	return errors.Join(errs...)
}
