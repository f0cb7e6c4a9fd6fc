package watch

import (
	"errors"
	"time"
)

// Config says how to watch. Zero means the default, except in Limits.
type Config struct {
	// Process names this process, as its leases do; required.
	Process string
	// Limits are the thresholds; zero limits raise no alarm.
	Limits Limits
	// Every is how often everything is judged; default 15 s.
	Every time.Duration
	// Settle is how long all must have been well before an alarm ends; default 1 min,
	// negative not at all.
	Settle time.Duration
	// Repeat is how often the target is told again of an alarm that goes on; default
	// 4 h, negative never.
	Repeat time.Duration
	// Timeout bounds one notice; default 10 s.
	Timeout time.Duration
	// RetryFirst and RetryMax are the waits after a notice that the target did not
	// take; defaults 15 s and 5 min. It is tried until it is taken or void.
	RetryFirst, RetryMax time.Duration
	// Vanished is after how long an alarm ends that nobody sees and nobody has seen to
	// be over: its topic or route was removed. Default 15 min.
	Vanished time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&c.Every, 15 * time.Second},
		{&c.Settle, time.Minute},
		{&c.Repeat, 4 * time.Hour},
		{&c.Timeout, 10 * time.Second},
		{&c.RetryFirst, 15 * time.Second},
		{&c.RetryMax, 5 * time.Minute},
		{&c.Vanished, 15 * time.Minute},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	errs := []error{c.Limits.Validate()}
	if c.Process == "" {
		errs = append(errs, errors.New("watch: the process has no name"))
	}
	if c.Every <= 0 || c.Timeout <= 0 || c.RetryFirst <= 0 || c.RetryMax < c.RetryFirst || c.Vanished <= 0 {
		errs = append(errs, errors.New("watch: interval, timeout and waits must be positive, the longest wait no shorter than the first"))
	}
	return errors.Join(errs...)
}
