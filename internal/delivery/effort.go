package delivery

import (
	"sync/atomic"
	"time"
)

// Effort is what a dispatcher has done so far. It only rises.
type Effort struct {
	// Attempts counts events that were tried, each time one, and Failed those times
	// that did not end with a delivery. What was given back untried is in neither.
	Attempts, Failed int64
	// Work is how long that took, of all workers together. An attempt on a batch counts once.
	Work time.Duration
}

// effort counts an [Effort].
type effort struct{ attempts, failed, work atomic.Int64 }

func (e *effort) took(d time.Duration) { e.work.Add(int64(d)) }

func (e *effort) ended(do Disposition) {
	if do == Release {
		return
	}
	e.attempts.Add(1)
	if do != Done {
		e.failed.Add(1)
	}
}

// Effort tells what the dispatcher has done so far.
func (d *Dispatcher) Effort() Effort {
	return Effort{Attempts: d.effort.attempts.Load(), Failed: d.effort.failed.Load(), Work: time.Duration(d.effort.work.Load())}
}
