package rabbitqueue

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// Read is what an event becomes of a message, and Again of that event's message.
func Read(m rabbit.Message, now time.Time) (e event.Event, again event.Event, attempts int) {
	l := read("orders", &m, now)
	second := l.write()
	return l.event, read2(second, now), l.attempts
}

func read2(m rabbit.Message, now time.Time) event.Event {
	l := read("orders", &m, now)
	return l.event
}

// Step is the retry queue of a wait, for a schedule up to longest.
func Step(longest, wait time.Duration) string {
	n := namesOf("p", RouteConfig{Name: "r", Lanes: 1, LongestWait: longest})
	return n.step(wait)
}
