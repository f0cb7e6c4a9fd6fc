package bulk

import (
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// Config says how to talk to the org. What the package call describes under the same
// name means the same here.
type Config struct {
	// Version is the API version, "67.0". A job's results must be read with the
	// version that created it.
	Version    string
	ClientName string
	Timeout    time.Duration
	Attempts   int
	RetryWait  time.Duration
	MaxWait    time.Duration
	// PollFirst is the wait before a job is first asked for its state; each next
	// one is half as long again, up to PollMax: every question is an API request.
	// Defaults 1 s and 30 s.
	PollFirst, PollMax time.Duration
	LimitFunc          func(Usage)
	SpentFunc          func()
}

// maxAnswer bounds what is read of an answer that is no page of results.
const maxAnswer = 1 << 20

func (c Config) calls() call.Config {
	return call.Config{
		Version: c.Version, ClientName: c.ClientName, Timeout: c.Timeout, Attempts: c.Attempts,
		RetryWait: c.RetryWait, MaxWait: c.MaxWait, MaxBody: maxAnswer, LimitFunc: c.LimitFunc, SpentFunc: c.SpentFunc,
	}
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	d := c.calls().WithDefaults()
	c.Version, c.ClientName, c.Timeout, c.Attempts, c.RetryWait, c.MaxWait = d.Version, d.ClientName, d.Timeout, d.Attempts, d.RetryWait, d.MaxWait
	if c.PollFirst == 0 {
		c.PollFirst = time.Second
	}
	if c.PollMax == 0 {
		c.PollMax = 30 * time.Second
	}
	return c
}

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	err := c.calls().Validate()
	if c.PollFirst <= 0 || c.PollMax < c.PollFirst {
		err = errors.Join(err, errors.New("bulk: the polls must be positive, the longest no shorter than the first"))
	}
	return err
}
