package callout

import (
	"errors"
	"fmt"
	"time"
)

// Longest is the longest that anybody waits for an answer: Apex's own limit.
const Longest = 120 * time.Second

// RelayConfig is how a route's callers wait for the application. Zero means the default.
type RelayConfig struct {
	// Deadline is how long a caller waits that does not say so; default 120 s.
	Deadline time.Duration
	// RouterTimeout is when whoever stands before us gives up waiting; 0 if nobody does.
	RouterTimeout time.Duration
	// TryTimeout bounds one try; default the whole time there is.
	TryTimeout time.Duration
	// Tries is how often a request that may be repeated is sent; default 3.
	Tries int
	// TryWait is the wait after the first try; it doubles, with jitter; default 50 ms.
	TryWait time.Duration
	// Hedge is after how long without an answer a second request is sent beside the
	// first, if the request may be repeated; 0 sends none.
	Hedge time.Duration
	// InFlight is the most requests at the application at once; default 256.
	InFlight int
	// Queue is how long a caller waits for a place among them before it is refused;
	// default 1 s, and never more than a quarter of its time.
	Queue time.Duration
	// Slow is the least time that an application must have had for a request that ran out
	// of time to count against it; default 1 s. An impatient caller says nothing
	// about the application.
	Slow time.Duration
	// Remember is how long an answer is kept for its key; default 24 h.
	Remember time.Duration
	// Failures is how many unavailabilities in a row mark the application as down;
	// default 5, negative for never.
	Failures int
	// ProbeMax is the longest wait between two probes of an application that is down; default 30 s.
	ProbeMax time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c RelayConfig) WithDefaults() RelayConfig {
	def(&c.Deadline, Longest)
	def(&c.TryTimeout, Longest)
	def(&c.Tries, 3)
	def(&c.TryWait, 50*time.Millisecond)
	def(&c.InFlight, 256)
	def(&c.Queue, time.Second)
	def(&c.Slow, time.Second)
	def(&c.Remember, 24*time.Hour)
	def(&c.Failures, 5)
	def(&c.ProbeMax, 30*time.Second)
	return c
}

// Validate reports everything in c that cannot work.
func (c RelayConfig) Validate() error {
	var errs []error
	for name, d := range map[string]time.Duration{
		"deadline": c.Deadline, "try timeout": c.TryTimeout, "try wait": c.TryWait, "time for a place": c.Queue,
		"slowness": c.Slow, "memory of answers": c.Remember, "wait between probes": c.ProbeMax,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is not positive: %s", name, d))
		}
	}
	if c.Deadline > Longest {
		errs = append(errs, fmt.Errorf("deadline %s is longer than any caller waits (%s)", c.Deadline, Longest))
	}
	if c.Tries < 1 || c.InFlight < 1 {
		errs = append(errs, errors.New("tries and requests in flight must be at least 1"))
	}
	if c.Hedge < 0 || c.RouterTimeout < 0 {
		errs = append(errs, errors.New("hedge and router timeout must not be negative"))
	}
	return errors.Join(errs...)
}

// budget is how long a request may be worked on: as long as its caller says or
// is thought to wait, less a margin in which the answer gets back, and never longer
// than the router in front.
func (c RelayConfig) budget(patience time.Duration) time.Duration {
	if patience <= 0 {
		patience = c.Deadline
	}
	return untilNobodyListens(min(patience, Longest), c.RouterTimeout)
}

// untilNobodyListens bounds a patience by the router's and takes off the time
// that an answer needs to get back.
func untilNobodyListens(patience, router time.Duration) time.Duration {
	if router > 0 {
		patience = min(patience, router)
	}
	return patience - min(patience/10, 250*time.Millisecond)
}

func def[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
