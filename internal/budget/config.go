package budget

import (
	"errors"
	"fmt"
	"time"
)

// Config says how much of the org's allocation may be used. Zero means the default.
type Config struct {
	// Floor and Ceiling are percentages of the org's allocation: up to the floor
	// every priority may go on, at the ceiling none may. Defaults 60 and 95.
	Floor, Ceiling int
	// Org names the org in the book; processes that share a budget agree on it.
	Org string
	// Share is the percentage of the allocation that the gateway, all its processes,
	// may use in 24 hours, whatever others leave; default 100.
	Share int
	// Patience is the longest that Reserve waits for room; default 2 s, negative means
	// not at all.
	Patience time.Duration
	// LongestWait bounds what a refusal says about when to ask again, because
	// others' use may end sooner than it looks; default 1 h.
	LongestWait time.Duration
	// Flush is how often what was allowed is booked; default 1 s. Refresh is how often
	// the book is read when there is nothing to tell it; default 5 s.
	Flush, Refresh time.Duration
	// Poll is how often the org is asked for its limits by whichever process comes
	// first; default 10 min, negative never. Each time costs an API request.
	Poll time.Duration
	// Now is the clock; nil means the system's.
	Now func() time.Time
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	for _, d := range []struct {
		v  *int
		to int
	}{{&c.Floor, 60}, {&c.Ceiling, 95}, {&c.Share, 100}} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&c.Patience, 2 * time.Second},
		{&c.LongestWait, time.Hour},
		{&c.Flush, time.Second},
		{&c.Refresh, 5 * time.Second},
		{&c.Poll, 10 * time.Minute},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	for name, n := range map[string]int{"floor": c.Floor, "ceiling": c.Ceiling, "share": c.Share} {
		if n < 1 || n > 100 {
			errs = append(errs, fmt.Errorf("budget %s is no percentage from 1 to 100: %d", name, n))
		}
	}
	if c.Floor > c.Ceiling {
		errs = append(errs, fmt.Errorf("budget floor %d %% is above the ceiling %d %%", c.Floor, c.Ceiling))
	}
	if c.LongestWait <= 0 || c.Flush <= 0 || c.Refresh <= 0 {
		errs = append(errs, errors.New("longest wait, flush or refresh is not positive"))
	}
	return errors.Join(errs...)
}
