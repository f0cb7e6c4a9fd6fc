package delivery

import "time"

// Activity is what a route's dispatcher is doing.
type Activity string

// The activities of a dispatcher.
const (
	// Running: events are delivered as they come.
	Running Activity = "running"
	// Paused: the breaker is open because the destination is down; events wait
	// without using up attempts, and a probe is sent from time to time.
	Paused Activity = "paused"
	// Halted: not running.
	Halted Activity = "halted"
)

// Status is what a dispatcher is doing now, since when and why.
type Status struct {
	Route       string    `json:"route"`
	Activity    Activity  `json:"activity"`
	Since       time.Time `json:"since"`
	Why         string    `json:"why,omitempty"`
	Hint        string    `json:"hint,omitempty"`
	InFlight    int       `json:"in_flight"`
	Concurrency int       `json:"concurrency"`
	// NextProbe is when a paused route tries the destination again.
	NextProbe time.Time `json:"next_probe,omitzero"`
}
