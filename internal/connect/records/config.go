package records

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Config says for which topic records are read.
type Config struct {
	Topic salesforce.Topic
	// Objects are those whose changes the topic carries. A topic of one object
	// needs none; for a channel that names none, nothing can be refilled.
	Objects []string
	// KeyField is as in eventbus.Config.
	KeyField string
	// BulkOver is the number of records above which a span is read by a Bulk job
	// instead of REST pages of up to 2,000; default 10,000.
	BulkOver int
	// BatchSize is how many events are handed over at once; default 2,000.
	BatchSize int
	// PageRows is how many rows of a Bulk job's result are asked for at once, each
	// time for one API request; default 100,000.
	PageRows int
	// Budget is asked before API requests are made; nil allows all.
	Budget Budget
}

// Budget is the org's API budget.
type Budget interface {
	// Reserve allows n requests or says, with a throttled [event.Error], when to ask again.
	Reserve(ctx context.Context, n int) error
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	if len(c.Objects) == 0 && c.Topic.Object() != "" {
		c.Objects = []string{c.Topic.Object()}
	}
	if c.BulkOver == 0 {
		c.BulkOver = 10_000
	}
	if c.BatchSize == 0 {
		c.BatchSize = 2_000
	}
	if c.PageRows == 0 {
		c.PageRows = 100_000
	}
	return c
}

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if c.Topic.IsZero() {
		errs = append(errs, errors.New("records need the topic that they make up for"))
	}
	if c.BulkOver < 0 || c.BatchSize < 1 || c.PageRows < 1 {
		errs = append(errs, errors.New("records: sizes must be positive"))
	}
	return errors.Join(errs...)
}
