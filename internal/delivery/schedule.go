package delivery

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Schedule says how long a failed event waits for its next attempt, and when
// it has had enough of them. The wait grows exponentially with full jitter: a
// random part of a bound that doubles with each attempt, so that events that
// failed together do not come back together.
type Schedule struct {
	// First is the bound of the first wait; default 1 s.
	First time.Duration
	// Max is the largest bound; default 10 min.
	Max time.Duration
	// MaxAttempts is the most counted attempts before an event goes to the dead
	// letters; default 20, negative for no limit.
	MaxAttempts int
	// MaxAge is how long after its acceptance a failing event goes to the dead
	// letters, whatever made it fail; default 7 days, negative for no limit. An
	// event that has not failed is never too old.
	MaxAge time.Duration
	// MaxAfter bounds the wait that a destination may ask for; default 1 h.
	MaxAfter time.Duration
}

// WithDefaults returns s with every zero replaced by its default.
func (s Schedule) WithDefaults() Schedule {
	defDuration(&s.First, time.Second)
	defDuration(&s.Max, 10*time.Minute)
	defInt(&s.MaxAttempts, 20)
	defDuration(&s.MaxAge, 7*24*time.Hour)
	defDuration(&s.MaxAfter, time.Hour)
	return s
}

// Validate reports what cannot work.
func (s Schedule) Validate() error {
	var errs []error
	if s.First <= 0 {
		errs = append(errs, fmt.Errorf("first retry wait is not positive: %s", s.First))
	}
	if s.Max < s.First {
		errs = append(errs, fmt.Errorf("largest retry wait %s is less than the first %s", s.Max, s.First))
	}
	if s.MaxAfter <= 0 {
		errs = append(errs, fmt.Errorf("bound of a requested wait is not positive: %s", s.MaxAfter))
	}
	return errors.Join(errs...)
}

// Wait returns the wait after the given attempt (from 1) failed. A wait that
// the destination asked for is a lower bound, itself bounded by MaxAfter.
func (s Schedule) Wait(attempt int, asked time.Duration) time.Duration {
	bound := grow(s.First, s.Max, attempt)
	// Not less than a tenth of the first wait: full jitter may draw almost zero,
	// and a retry at once only proves that the failure has not passed yet.
	wait := jitter(bound, s.First/10)
	return max(wait, min(asked, s.MaxAfter))
}

// exhausted returns why an event gets no further attempt, or "".
func (s Schedule) exhausted(c *Claimed, counted bool, now time.Time) string {
	if counted && s.MaxAttempts > 0 && c.Attempt >= s.MaxAttempts {
		return fmt.Sprintf("gave up after %d attempts", c.Attempt)
	}
	if s.MaxAge > 0 && now.Sub(c.Accepted) >= s.MaxAge {
		return fmt.Sprintf("gave up after %s", s.MaxAge)
	}
	return ""
}

// grow doubles first with each step after 1, up to limit.
func grow(first, limit time.Duration, step int) time.Duration {
	for ; step > 1 && first < limit; step-- {
		first *= 2
	}
	return min(first, limit)
}

// jitter draws evenly between floor and bound.
func jitter(bound, floor time.Duration) time.Duration {
	if bound <= floor {
		return bound
	}
	return floor + rand.N(bound-floor)
}
