package cometd

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// DefaultVersion is the API version in the endpoint's path unless set otherwise.
// Event UUIDs need 52.0, the path without "/replay" 37.0.
const DefaultVersion = "67.0"

// Config says how to talk to the Streaming API. Zero means the default.
type Config struct {
	// Version is the API version, "67.0".
	Version string
	// CallTimeout bounds every request but /meta/connect; default 30 s.
	CallTimeout time.Duration
	// HoldTimeout is how long the server may hold /meta/connect until its advice
	// says otherwise; default 110 s, which is what Salesforce advises. Margin is
	// added to either; default 15 s. An answer later than that is a dead session.
	HoldTimeout, Margin time.Duration
	// ReadAhead and ReadAheadBytes bound how much of one topic is held unread
	// before the client stops asking; defaults 2,000 events and 8 MiB. One answer more
	// may be held.
	ReadAhead, ReadAheadBytes int
	// Patience is how long /meta/connect is held back for slow consumers before
	// they are parked; default 2 s.
	Patience time.Duration
	// MaxResponse bounds one answer; default 64 MiB. What was read of a larger one
	// counts, and the rest is asked for again.
	MaxResponse int64
	// RetryWait is the wait after a failed session, doubled for each next one up
	// to MaxWait, with full jitter; defaults 500 ms and 30 s.
	RetryWait, MaxWait time.Duration
	// Tries is how many sessions in a row may fail before the subscriptions are
	// told; default 3.
	Tries int
	// HealthyAfter is how long a session must have lived for its end to count as
	// the first failure; default 10 s.
	HealthyAfter time.Duration
	// QuietEvery is the least time between two empty responses that tell the
	// consumer of a quiet topic that all is well; default 20 s.
	QuietEvery time.Duration
	// DisconnectTimeout bounds the farewell to the server; default 1 s.
	DisconnectTimeout time.Duration
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	if c.Version == "" {
		c.Version = DefaultVersion
	}
	setDefault(&c.CallTimeout, 30*time.Second)
	setDefault(&c.HoldTimeout, 110*time.Second)
	setDefault(&c.Margin, 15*time.Second)
	setDefault(&c.ReadAhead, 2000)
	setDefault(&c.ReadAheadBytes, 8<<20)
	setDefault(&c.Patience, 2*time.Second)
	setDefault(&c.MaxResponse, 64<<20)
	setDefault(&c.RetryWait, 500*time.Millisecond)
	setDefault(&c.MaxWait, 30*time.Second)
	setDefault(&c.Tries, 3)
	setDefault(&c.HealthyAfter, 10*time.Second)
	setDefault(&c.QuietEvery, 20*time.Second)
	setDefault(&c.DisconnectTimeout, time.Second)
	return c
}

func setDefault[T ~int | ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

var versionForm = regexp.MustCompile(`^[0-9]{2,3}\.0$`)

// maxPatience leaves half of the 40 s within which the server wants the next
// /meta/connect for everything else that takes time.
const maxPatience = 20 * time.Second

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if !versionForm.MatchString(c.Version) {
		errs = append(errs, fmt.Errorf("api version %q: want a form like %q", c.Version, DefaultVersion))
	}
	if c.ReadAhead < 1 || c.ReadAheadBytes < 1 || c.MaxResponse < 1 || c.Tries < 1 {
		errs = append(errs, errors.New("read-ahead, response limit and tries must be positive"))
	}
	if c.Patience < 0 || c.Patience > maxPatience {
		errs = append(errs, fmt.Errorf("patience %s: want at most %s, or the server forgets the client", c.Patience, maxPatience))
	}
	return errors.Join(errs...)
}
