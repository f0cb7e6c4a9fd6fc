package delivery

import "time"

// Depth is how much of a route waits, as its account says.
type Depth struct {
	Route string
	// Waiting counts the events that have not come to their end.
	Waiting int64
	// Ended counts those that have, ever: how much it grows by tells how fast a
	// backlog shrinks.
	Ended int64
}

// longestDrain bounds what a caller is told to wait: it asks again then.
const longestDrain = time.Minute

// DrainTime is how long it takes at a rate of events per second until a tenth of a
// limit is free again: at least a second, at most a minute.
func DrainTime(depth, limit int, rate float64) time.Duration {
	excess := float64(depth) - 0.9*float64(limit)
	if rate < 0.1 {
		return longestDrain
	}
	return min(max(time.Duration(excess/rate*float64(time.Second)).Round(time.Second), time.Second), longestDrain)
}
