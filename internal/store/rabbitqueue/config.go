package rabbitqueue

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Config sets how routes wait in a broker. Zero means the default.
type Config struct {
	// Prefix of the names of the exchange and the queues; default "sallyport".
	Prefix string
	Routes []RouteConfig
	// DeliveryLimit is how often a message is handed out without an end before
	// it goes to the dead letters as one that stops whoever takes it; default 100.
	DeliveryLimit int
	// Owner names this process to people who look at the broker.
	Owner string
	// Measure is the time between two measurements of depth; default 1 s.
	Measure time.Duration
	// Flush is the time between two entries of confirmed messages in the
	// register; default 250 ms.
	Flush time.Duration
}

// RouteConfig is how one route waits.
type RouteConfig struct {
	Name    string
	Ordered bool
	// Lanes is the number of queues that an ordered route is spread over; default 1.
	Lanes int
	// Prefetch is how many messages this process holds unacknowledged; default 250.
	Prefetch int
	// MaxDepth is the number of waiting messages at which intake refuses; 0 never.
	MaxDepth int
	// Trail has what happens entered in the audit trail.
	Trail bool
	// Native leaves the queues to the application's own consumers: nothing is
	// consumed here, and what has left the queues counts as delivered.
	Native bool
	// LongestWait is the longest wait of the route's schedule; it decides which
	// retry queues there are. Default 1 h.
	LongestWait time.Duration
}

// Deps is what a queue works with.
type Deps struct {
	// Publish and Consume are connections of their own: a broker that takes no
	// messages stops reading from who publishes.
	Publish, Consume *rabbit.Link
	Register         contract.Register
	// Follow accepts the events that a delivered event brings about; nil where no route has any.
	Follow route.Intake
	Log    *slog.Logger
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "sallyport"
	}
	if c.DeliveryLimit == 0 {
		c.DeliveryLimit = 100
	}
	if c.Owner == "" {
		c.Owner = "sallyport"
	}
	if c.Measure == 0 {
		c.Measure = time.Second
	}
	if c.Flush == 0 {
		c.Flush = 250 * time.Millisecond
	}
	routes := make([]RouteConfig, len(c.Routes))
	for i, r := range c.Routes {
		if r.Lanes == 0 || !r.Ordered {
			r.Lanes = 1
		}
		if r.Prefetch == 0 {
			r.Prefetch = 250
		}
		if r.LongestWait == 0 {
			r.LongestWait = time.Hour
		}
		routes[i] = r
	}
	c.Routes = routes
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, r := range c.Routes {
		switch {
		case r.Name == "" || seen[r.Name]:
			errs = append(errs, fmt.Errorf("route name %q is empty or given twice", r.Name))
		case r.Lanes < 1 || r.Lanes > 64:
			errs = append(errs, fmt.Errorf("route %s: %d lanes are not between 1 and 64", r.Name, r.Lanes))
		case r.Prefetch < r.Lanes || r.Prefetch > 65535:
			errs = append(errs, fmt.Errorf("route %s: prefetch %d is not between its lanes and 65535", r.Name, r.Prefetch))
		case r.MaxDepth < 0:
			errs = append(errs, fmt.Errorf("route %s: greatest depth %d is negative", r.Name, r.MaxDepth))
		}
		seen[r.Name] = true
	}
	if c.DeliveryLimit < 1 || c.DeliveryLimit >= brokerDeliveryLimit {
		errs = append(errs, fmt.Errorf("delivery limit %d is not between 1 and %d", c.DeliveryLimit, brokerDeliveryLimit-1))
	}
	return errors.Join(errs...)
}
