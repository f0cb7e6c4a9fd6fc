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
	// Share is the percentage of the allocation that this process may use by itself
	// in 24 hours, whatever others leave; default 100.
	Share int
	// Patience is the longest that Reserve waits for room; default 2 s, negative means
	// not at all.
	Patience time.Duration
	// LongestWait bounds what a refusal says about when to ask again, because
	// others' use may end sooner than it looks; default 1 h.
	LongestWait time.Duration
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
	if c.Patience == 0 {
		c.Patience = 2 * time.Second
	}
	if c.LongestWait == 0 {
		c.LongestWait = time.Hour
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
	if c.LongestWait <= 0 {
		errs = append(errs, errors.New("longest wait is not positive"))
	}
	return errors.Join(errs...)
}
