package subscription

import "time"

// State is what a subscription is doing.
type State string

// The states of a subscription.
const (
	// Standby: another process holds the lease; this one waits to take over.
	Standby State = "standby"
	// Connecting: opening the stream, or waiting to try again.
	Connecting State = "connecting"
	// CatchingUp: reading a backlog; events are older than the live threshold.
	CatchingUp State = "catching-up"
	// Live: reading events as they happen.
	Live State = "live"
	// Recovering: the source refused the position; resubscribing and working out the gap.
	Recovering State = "recovering"
	// Refilling: bringing back what is missing, while the stream waits.
	Refilling State = "refilling"
	// Failed: cannot go on without a person; Why and Hint say what to do.
	Failed State = "failed"
	// Stopped: not running.
	Stopped State = "stopped"
)

// Status is what a subscription is doing now, since when and why.
type Status struct {
	Name   string    `json:"name"`
	Topic  string    `json:"topic"`
	Routes []string  `json:"routes"`
	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why,omitempty"`
	Hint   string    `json:"hint,omitempty"`
	// Position is the stored position in hexadecimal.
	Position string `json:"position,omitempty"`
	// Moved is when the position last moved; EventTime that of the last event read.
	Moved     time.Time `json:"moved,omitzero"`
	EventTime time.Time `json:"event_time,omitzero"`
	// WindowLeft is how long the stored position stays valid without a new one.
	WindowLeft time.Duration `json:"window_left_ns"`
	Events     int64         `json:"events"`
	Reconnects int64         `json:"reconnects"`
	// Heard is when the source last sent anything, keep-alives included; zero
	// before its first word to this process.
	Heard time.Time `json:"heard,omitzero"`
	// Lag is how old the newest event was when it was stored, while a backlog is
	// read; 0 when live.
	Lag time.Duration `json:"lag_ns"`
	// Unstored counts the events that were received and are not stored yet. How
	// many the source has still to send, no Salesforce API tells.
	Unstored int `json:"unstored"`
	// CatchUp is how the reading of a backlog goes; nil when live.
	CatchUp *CatchUp `json:"catch_up,omitempty"`
	// NextTry is when a waiting subscription connects again; zero if it is not waiting.
	NextTry  time.Time `json:"next_try,omitzero"`
	OpenGaps int       `json:"open_gaps"`
	// Refills says that what the subscription misses can be brought back.
	Refills bool `json:"refills"`
	// Refill is the refill under way or waiting to go on; nil if there is none.
	Refill *RefillStatus `json:"refill,omitempty"`
}

// RefillStatus is how a refill stands.
type RefillStatus struct {
	Gap      int64     `json:"gap"`
	Since    time.Time `json:"since,omitzero"`
	Read     int64     `json:"read"`
	Refilled int64     `json:"refilled"`
	// NextTry is when a refill that was put off goes on; zero if it is not.
	NextTry time.Time `json:"next_try,omitzero"`
	Why     string    `json:"why,omitempty"`
}
