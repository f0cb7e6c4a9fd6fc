package watch

import "time"

// Facts is what one process sees at one moment. What several processes see alike
// may be in the facts of each.
type Facts struct {
	// Topics are those that this process reads; one that another reads is left out.
	Topics []Topic
	// Gaps are the holes that have not ended well: open or lost. All topics that can
	// have any are in GapTopics.
	Gaps       []Gap
	GapTopics  []string
	Routes     []Route
	Workers    []Worker
	Allowances []Allowance
	Brokers    []Broker
}

// Topic is how a subscription stands.
type Topic struct {
	Name string
	// Failed says that it cannot go on without a person.
	Failed bool
	// Reading says that the source is expected to speak now.
	Reading bool
	// Stored says that a position is stored; Left is how long it stays good.
	Stored bool
	Left   time.Duration
	// Heard is when the source last gave a sign of life to this process; zero if never.
	Heard time.Time
	// Lag is how late events are stored.
	Lag       time.Duration
	Why, Hint string

	// reading is since when the watcher knows that it is read.
	reading time.Time
}

// Gap is a hole in a topic's stream.
type Gap struct {
	Number int64
	Topic  string
	// Lost says that nothing brings back what is missing, and nobody has taken note.
	Lost        bool
	Opened      time.Time
	From, Until time.Time
	Cause       string
}

// Route is how a route stands.
type Route struct {
	Name string
	// Paused is since when this process waits for the application; zero if it does not.
	Paused    time.Time
	Why, Hint string
	// Known says that the account could be read: Dead, Waiting and Oldest.
	Known         bool
	Dead, Waiting int64
	// Oldest is when the oldest waiting event was accepted; zero if none waits.
	Oldest time.Time
}

// Worker is a part of the process.
type Worker struct {
	Name   string
	Failed bool
	Why    string
}

// Broker is a broker, or a node of one.
type Broker struct {
	Name string
	// Alarm is why it takes no messages, or soon will not; empty when all is well.
	Alarm, Hint string
}

// Allowance is one of the org's allowances.
type Allowance struct {
	Name      string
	Used, Max int64
	// RunsOut is when it is used up at the present pace; zero if not soon.
	RunsOut time.Time
	// Spent says that the org refuses already.
	Spent bool
}
