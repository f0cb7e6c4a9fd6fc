package bulk

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Config says how to talk to the org.
type Config struct {
	// Version is the API version, "67.0". A job's results must be read with the
	// version that created it.
	Version string
	// ClientName is sent as Sforce-Call-Options client=....
	ClientName string
	// Timeout bounds one request up to its answer, and the silence while a page of
	// results is read; default 2 min.
	Timeout time.Duration
	// Attempts is how often a GET is tried when failures may pass; default 4.
	Attempts int
	// RetryWait is the wait after the first failure, doubled for each next one up
	// to MaxWait, with full jitter; defaults 500 ms and 10 s.
	RetryWait, MaxWait time.Duration
	// PollFirst is the wait before a job is first asked for its state; each next
	// one is half as long again, up to PollMax: every question is an API request.
	// Defaults 1 s and 30 s.
	PollFirst, PollMax time.Duration
	// LimitFunc is told the header Sforce-Limit-Info of every answer that has it. It
	// must not block. Optional.
	LimitFunc func(header string)
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	if c.Version == "" {
		c.Version = "67.0"
	}
	if c.ClientName == "" {
		c.ClientName = "sallyport"
	}
	if c.Attempts == 0 {
		c.Attempts = 4
	}
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&c.Timeout, 2 * time.Minute},
		{&c.RetryWait, 500 * time.Millisecond},
		{&c.MaxWait, 10 * time.Second},
		{&c.PollFirst, time.Second},
		{&c.PollMax, 30 * time.Second},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	return c
}

var (
	versionForm = regexp.MustCompile(`^[0-9]{2,3}\.0$`)
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,40}$`)
)

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if !versionForm.MatchString(c.Version) {
		errs = append(errs, fmt.Errorf("api version %q: want a form like %q", c.Version, "67.0"))
	}
	if !nameForm.MatchString(c.ClientName) {
		errs = append(errs, fmt.Errorf("client name %q: want letters, digits, dot, dash, underscore", c.ClientName))
	}
	if c.Attempts < 1 || c.Timeout <= 0 || c.RetryWait <= 0 || c.PollFirst <= 0 || c.PollMax < c.PollFirst {
		errs = append(errs, errors.New("bulk: attempts, timeout and waits must be positive, the longest poll no shorter than the first"))
	}
	return errors.Join(errs...)
}
