package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Config says what to look for and how often. Zero means the default.
type Config struct {
	// Patterns are the ones to look for; at least one.
	Patterns []salesforce.TopicPattern
	// Every is how often the org is asked; default 5 min. A tenth more or less, by chance.
	Every time.Duration
	// Follow is how often the book is read; default 1 s.
	Follow time.Duration
	// Spacing is the least time between two listings where something other than the
	// interval asks for one: a start, or a connection that is new. Default 30 s, or
	// Every if that is shorter.
	Spacing time.Duration
	// Timeout bounds one listing; default 20 s.
	Timeout time.Duration
	// RetryFirst is the wait after a listing that failed; it doubles up to Every.
	// Default 5 s, or Every if that is shorter.
	RetryFirst time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&c.Every, 5 * time.Minute},
		{&c.Follow, time.Second},
		{&c.Timeout, 20 * time.Second},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	if c.Spacing == 0 {
		c.Spacing = min(30*time.Second, c.Every)
	}
	if c.RetryFirst == 0 {
		c.RetryFirst = min(5*time.Second, c.Every)
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	if len(c.Patterns) == 0 {
		errs = append(errs, errors.New("there is no pattern to look for"))
	}
	for name, d := range map[string]time.Duration{
		"interval": c.Every, "follow": c.Follow, "spacing": c.Spacing, "timeout": c.Timeout, "first retry": c.RetryFirst,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is not positive: %s", name, d))
		}
	}
	return errors.Join(errs...)
}

// Lister asks the org.
type Lister interface {
	// Channels returns all custom channels of the org, or an error: never a part of them.
	Channels(ctx context.Context) ([]salesforce.Topic, error)
}

// Lead decides which of several processes asks.
type Lead interface {
	// Hold takes the lead for ttl; false while another process has it.
	Hold(ctx context.Context, ttl time.Duration) (bool, error)
	// Yield gives it up.
	Yield(ctx context.Context) error
}

// Deps is what a roster works with; all but Pulse are required.
type Deps struct {
	Lister Lister
	Book   Book
	Lead   Lead
	// Apply makes the subscriptions those of the channels, whenever they have changed.
	// It is called from one goroutine. What it could not do it is asked to do again.
	Apply func(ctx context.Context, channels []Channel) error
	// Pulse returns a number that changes when a connection to the org has been
	// renewed or lost for good: what was known of the org may be out of date then.
	Pulse func() int64
	Log   *slog.Logger
}

// Channel is a custom channel that a pattern stands for.
type Channel struct {
	Topic salesforce.Topic
	// Appeared says that it was not there when one of its patterns was first looked
	// for: all its events are news.
	Appeared bool
}
