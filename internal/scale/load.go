package scale

import (
	"errors"
	"fmt"
	"time"
)

// Load is what a route has to do and what does it, over the last while.
type Load struct {
	Route string `json:"route"`
	// Native: the application reads the queue itself.
	Native bool `json:"native"`
	// Arrivals and Ended are events a second, of all processes.
	Arrivals float64 `json:"arrivals"`
	Ended    float64 `json:"ended"`
	// Window is how many seconds that and Attempts were counted for.
	Window float64 `json:"window_seconds"`
	// Attempts and Failed were made by the process that was asked.
	Attempts int64 `json:"attempts"`
	Failed   int64 `json:"failed"`
	// Service is how many seconds of a worker's time one event takes, further attempts
	// included; 0 is not known. ServiceFrom says how that was found out: attempts,
	// acknowledgements, or given.
	Service     float64 `json:"service_seconds"`
	ServiceFrom string  `json:"service_from,omitempty"`
	// AtMost: Service is no more than that, and may be less.
	AtMost  bool  `json:"service_at_most,omitempty"`
	Waiting int64 `json:"waiting"`
	// Processes consume the route; Workers is how many events they work on at once, and
	// PerProcess how many each.
	Processes  int `json:"processes"`
	Workers    int `json:"workers"`
	PerProcess int `json:"per_process"`
	// Most is how many processes can share the route; 0 is any number.
	Most int `json:"most_processes,omitempty"`
	// Paused says that deliveries wait for the application, and Why.
	Paused bool   `json:"paused,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Where a load's Service is from.
const (
	FromAttempts = "attempts"
	FromAcks     = "acknowledgements"
	FromGiven    = "given"
)

// Policy says how full workers may be.
type Policy struct {
	// Utilisation is the share of the time that workers may be busy, above 0 and up to 1.
	Utilisation float64
	// CatchUp is how long what waits may take to be worked off; 0 does not mind.
	CatchUp time.Duration
}

// WithDefaults returns p with 70 % where nothing is said.
func (p Policy) WithDefaults() Policy {
	if p.Utilisation == 0 {
		p.Utilisation = 0.7
	}
	return p
}

// Validate reports what cannot be.
func (p Policy) Validate() error {
	var errs []error
	if p.Utilisation <= 0 || p.Utilisation > 1 {
		errs = append(errs, fmt.Errorf("utilisation %.2f is not above 0 and at most 1", p.Utilisation))
	}
	if p.CatchUp < 0 {
		errs = append(errs, fmt.Errorf("time to catch up %s is negative", p.CatchUp))
	}
	return errors.Join(errs...)
}
