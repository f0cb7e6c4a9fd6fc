package scale

import (
	"fmt"
	"math"
	"time"
)

// Verdict is what an advice comes to.
type Verdict string

// The verdicts.
const (
	// Enough workers, and not a process too many.
	Enough Verdict = "enough"
	// More workers are needed.
	More Verdict = "more"
	// Fewer processes would do.
	Fewer Verdict = "fewer"
	// Idle: nothing arrives and nothing waits.
	Idle Verdict = "idle"
	// Failing: the application does not take the events, and more workers do not help.
	Failing Verdict = "failing"
	// Unknown: how long an event takes is not known.
	Unknown Verdict = "unknown"
)

// Advice is how many workers a load needs, and what that was worked out from.
type Advice struct {
	Load
	Verdict     Verdict `json:"verdict"`
	Utilisation float64 `json:"utilisation"`
	// Busy is how many workers are busy on average: arrivals times service (Little's law).
	Busy float64 `json:"busy"`
	// Needed workers, and NeededProcesses of as many workers as each has now.
	Needed          int `json:"needed_workers"`
	NeededProcesses int `json:"needed_processes"`
	// Drain is how many seconds what waits takes to be worked off by the workers there
	// are, and DrainNeeded by those that are needed; -1 is never, absent is not known.
	Drain       *float64 `json:"drain_seconds,omitempty"`
	DrainNeeded *float64 `json:"drain_needed_seconds,omitempty"`
	// Text says it in words.
	Text string `json:"text"`
}

// failingShare is the share of failed attempts at which more of them are no help, and
// failingLeast how many attempts it takes to say so.
const (
	failingShare = 0.5
	failingLeast = 10
)

// idleRate is an arrival in a quarter of an hour: less is nothing.
const idleRate = 1.0 / 900

// Advise works out how many workers a load needs.
func Advise(l Load, p Policy) Advice {
	p = p.WithDefaults()
	a := Advice{Load: l, Utilisation: p.Utilisation}
	quiet := l.Arrivals < idleRate && l.Waiting == 0
	switch {
	case l.Paused || l.Attempts >= failingLeast && float64(l.Failed) >= failingShare*float64(l.Attempts):
		a.Verdict = Failing
	case quiet:
		a.Verdict = Idle
	case l.Service <= 0:
		a.Verdict = Unknown
	default:
		a.weigh(p)
	}
	a.Text = a.words()
	return a
}

// weigh compares what is needed with what is there.
func (a *Advice) weigh(p Policy) {
	a.Busy = a.Arrivals * a.Service
	a.Needed = max(1, up(a.Busy/p.Utilisation))
	if a.Waiting > 0 && p.CatchUp > 0 {
		a.Needed = max(a.Needed, up((a.Arrivals+float64(a.Waiting)/p.CatchUp.Seconds())*a.Service))
	}
	per := max(a.PerProcess, 1)
	a.NeededProcesses = (a.Needed + per - 1) / per
	a.Drain, a.DrainNeeded = a.drain(a.Workers), a.drain(a.Needed)
	switch {
	case a.Needed > a.Workers:
		a.Verdict = More
	case a.NeededProcesses < a.Processes:
		a.Verdict = Fewer
	default:
		a.Verdict = Enough
	}
}

// up rounds up what is more than a rounding error above a whole number. It is bounded,
// whatever nonsense was measured.
func up(x float64) int { return int(min(math.Ceil(x-1e-9), 1_000_000)) }

// drain is how many seconds n workers take for what waits, besides what arrives.
func (a *Advice) drain(n int) *float64 {
	spare := float64(n)/a.Service - a.Arrivals
	seconds := 0.0
	switch {
	case a.Waiting == 0:
	case spare <= 0:
		seconds = -1
	default:
		seconds = float64(a.Waiting) / spare
	}
	return &seconds
}

// words says an advice to somebody who knows nothing of queues.
func (a *Advice) words() string {
	switch a.Verdict {
	case Idle:
		return "nothing arrives and nothing waits: one process is enough"
	case Failing:
		if a.Paused {
			return "the application does not answer, and more workers would not change that: " + orElse(a.Why, "see sallyport status")
		}
		return fmt.Sprintf("%d of %d attempts failed, and more workers would only fail more often: mend the application first", a.Failed, a.Attempts)
	case Unknown:
		return "how long an event takes is not known: let some be delivered, or say it with --service"
	case More:
		text := fmt.Sprintf("%s needed, %d there: add %d", workers(a.Needed), a.Workers, a.Needed-a.Workers)
		if add := a.NeededProcesses - a.Processes; add > 0 {
			text += fmt.Sprintf(" (%s more of %d)", processes(add), max(a.PerProcess, 1))
		}
		if a.Most > 0 && a.NeededProcesses > a.Most {
			text += fmt.Sprintf("; but only %d process(es) can share the route, for its order: raise queue.lanes", a.Most)
		}
		return text
	case Fewer:
		return fmt.Sprintf("%s needed, %d there: %s less would do", workers(a.Needed), a.Workers, processes(a.Processes-a.NeededProcesses))
	}
	return fmt.Sprintf("%s needed, %d there: enough", workers(a.Needed), a.Workers)
}

func workers(n int) string {
	if n == 1 {
		return "1 worker is"
	}
	return fmt.Sprintf("%d workers are", n)
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Seconds is a drain as a duration; false if it never ends or is not known.
func Seconds(s *float64) (time.Duration, bool) {
	if s == nil || *s < 0 {
		return 0, false
	}
	return time.Duration(min(*s, 1e9) * float64(time.Second)), true
}
