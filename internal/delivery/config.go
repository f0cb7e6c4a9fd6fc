package delivery

import (
	"errors"
	"fmt"
	"time"
)

// Config sets how one route's events are delivered. Zero means the default, a
// negative number where it makes sense means off.
type Config struct {
	// Route is the name of the route; required.
	Route string
	// Ordered delivers events of one lane (equal keys share one) one after
	// another. A failing event then holds up its lane, and only its lane.
	Ordered bool
	// Concurrency is how many attempts may run at once; default 16.
	Concurrency int
	// Run is the most consecutive events of one lane to claim at once on an
	// ordered route; default 8. More makes a single busy key faster, because a
	// lane is free again only when its whole run is settled.
	Run int
	// Batch is the most events to deliver in one attempt; default 1, which
	// delivers them one by one. More needs an event.BatchDestination. A batch holds
	// what is there: none waits for company.
	Batch int
	// BatchBytes bounds the payloads of a batch of more than one event; default 1 MiB.
	BatchBytes int
	// Ahead is how many events may be claimed and not yet settled; default
	// Concurrency times Run on an ordered route, four times Concurrency
	// otherwise, at least 128, so that workers have something to do while a
	// settlement is being committed, and enough for two batches for each worker, up
	// to 4096. It bounds memory, and what a crash leaves claimed until the lease ends.
	Ahead int
	// AheadBytes bounds the payloads of what is claimed and not settled; default
	// 32 MiB. How many events that is, is estimated from the claim before, and at least
	// one is claimed: when small events turn into large ones, one claim may take more.
	AheadBytes int
	// Owner names this process, for people.
	Owner string
	// Lease is how long a claim holds without being extended; default 1 min.
	// After a crash, events in flight wait that long.
	Lease time.Duration
	// AttemptTimeout bounds one attempt; default 30 s.
	AttemptTimeout time.Duration
	// DrainTimeout is how long attempts in flight may go on after a stop before
	// they are cancelled; default 20 s.
	DrainTimeout time.Duration
	// SettleTimeout bounds the last settling after that; default 3 s.
	SettleTimeout time.Duration
	Schedule      Schedule
	Breaker       BreakerConfig
}

// minAhead is what ten thousand events a second settle in a commit of 10 ms,
// with some to spare.
const minAhead = 128

// maxAhead is the most that batches raise the default to.
const maxAhead = 4096

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	defInt(&c.Concurrency, 16)
	defInt(&c.Run, 8)
	defInt(&c.Batch, 1)
	defInt(&c.BatchBytes, 1<<20)
	ahead := max(c.Concurrency*c.Run, minAhead)
	if !c.Ordered {
		c.Run = 1
		ahead = max(4*c.Concurrency, minAhead)
	}
	if c.Batch > 1 {
		ahead = max(ahead, c.Batch, min(2*c.Concurrency*c.Batch, maxAhead))
	}
	defInt(&c.Ahead, ahead)
	defInt(&c.AheadBytes, 32<<20)
	defDuration(&c.Lease, time.Minute)
	defDuration(&c.AttemptTimeout, 30*time.Second)
	defDuration(&c.DrainTimeout, 20*time.Second)
	defDuration(&c.SettleTimeout, 3*time.Second)
	c.Schedule = c.Schedule.WithDefaults()
	c.Breaker = c.Breaker.WithDefaults()
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.Route == "" {
		errs = append(errs, errors.New("route has no name"))
	}
	if c.Concurrency < 1 || c.Concurrency > 10_000 {
		errs = append(errs, fmt.Errorf("concurrency %d is not between 1 and 10000", c.Concurrency))
	}
	if c.Run < 1 {
		errs = append(errs, fmt.Errorf("run of %d events of a lane is less than 1", c.Run))
	}
	if c.Batch < 1 || c.BatchBytes < 1 {
		errs = append(errs, fmt.Errorf("batch of %d events and %d bytes: want at least 1 of each", c.Batch, c.BatchBytes))
	}
	if c.AheadBytes < 1 {
		errs = append(errs, fmt.Errorf("claiming %d bytes ahead is less than 1", c.AheadBytes))
	}
	if c.Ahead < c.Concurrency {
		errs = append(errs, fmt.Errorf("claiming %d ahead is less than the concurrency %d", c.Ahead, c.Concurrency))
	}
	for name, d := range map[string]time.Duration{
		"lease": c.Lease, "attempt timeout": c.AttemptTimeout,
		"drain timeout": c.DrainTimeout, "settle timeout": c.SettleTimeout,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is not positive: %s", name, d))
		}
	}
	errs = append(errs, c.Schedule.Validate(), c.Breaker.Validate())
	return errors.Join(errs...)
}

func defInt(v *int, to int) {
	if *v == 0 {
		*v = to
	}
}

func defDuration(v *time.Duration, to time.Duration) {
	if *v == 0 {
		*v = to
	}
}
