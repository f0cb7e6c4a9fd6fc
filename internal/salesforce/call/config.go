package call

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// DefaultVersion is the API version that is asked for unless set otherwise.
const DefaultVersion = "67.0"

// Config says how to talk to the org.
type Config struct {
	// Version is the API version, "67.0".
	Version string
	// ClientName is sent as Sforce-Call-Options client=...; it shows in the
	// changeOrigin of change events, by which our own writes are recognised.
	ClientName string
	// Timeout bounds one request up to its answer, and reading the answer: the whole of
	// it by [Client.Do], each silence in it by [Client.Open]. Default 2 min, the
	// longest a query may run.
	Timeout time.Duration
	// Attempts is how often a GET is tried when failures may pass; default 4.
	Attempts int
	// RetryWait is the wait after the first failure, doubled for each next one up
	// to MaxWait, with full jitter; defaults 500 ms and 10 s.
	RetryWait, MaxWait time.Duration
	// MaxBody bounds an answer that is read whole; default 64 MiB. A query page of
	// 2,000 wide records has some megabytes.
	MaxBody int64
	// LimitFunc is told of the API use after each answer that says so. It must
	// not block. Optional.
	LimitFunc func(Usage)
	// SpentFunc is told when the org refuses a request because its API requests for 24
	// hours are used up. It must not block. Optional.
	SpentFunc func()
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	setDefault(&c.Version, DefaultVersion)
	setDefault(&c.ClientName, "sallyport")
	setDefault(&c.Timeout, 2*time.Minute)
	setDefault(&c.Attempts, 4)
	setDefault(&c.RetryWait, 500*time.Millisecond)
	setDefault(&c.MaxWait, 10*time.Second)
	setDefault(&c.MaxBody, 64<<20)
	return c
}

func setDefault[T comparable](v *T, def T) {
	var unset T
	if *v == unset {
		*v = def
	}
}

var (
	versionForm = regexp.MustCompile(`^[0-9]{2,3}\.0$`)
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,40}$`)
)

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if !versionForm.MatchString(c.Version) {
		errs = append(errs, fmt.Errorf("api version %q: want a form like %q", c.Version, DefaultVersion))
	}
	if !nameForm.MatchString(c.ClientName) {
		errs = append(errs, fmt.Errorf("client name %q: want letters, digits, dot, dash, underscore", c.ClientName))
	}
	if c.Attempts < 1 || c.MaxBody < 1 || c.Timeout <= 0 || c.RetryWait <= 0 || c.MaxWait <= 0 {
		errs = append(errs, errors.New("attempts, body limit, timeout and waits must be positive"))
	}
	return errors.Join(errs...)
}
