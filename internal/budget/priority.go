package budget

// Priority is how urgent a request is.
type Priority int

// The priorities, the most urgent first.
const (
	// Interactive requests have a person or a caller waiting.
	Interactive Priority = iota
	// Events are what subscriptions need to go on: logins aside, descriptions and
	// the records that gap events name.
	Events
	// WriteBack is what the application wants written to the org.
	WriteBack
	// Refill brings back what a subscription has missed.
	Refill
	// Snapshot is the first copy of an object's records.
	Snapshot
	// Compare holds copies against the org.
	Compare

	priorities = int(Compare) + 1
)

// Priorities lists all, the most urgent first.
func Priorities() []Priority {
	all := make([]Priority, priorities)
	for i := range all {
		all[i] = Priority(i)
	}
	return all
}

// String returns the priority's name, as shown to people and in metrics.
func (p Priority) String() string {
	switch p {
	case Interactive:
		return "interactive"
	case Events:
		return "events"
	case WriteBack:
		return "write-back"
	case Refill:
		return "refill"
	case Snapshot:
		return "snapshot"
	case Compare:
		return "compare"
	}
	return "unknown"
}

func parsePriority(name string) (Priority, bool) {
	for _, p := range Priorities() {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}
