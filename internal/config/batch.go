package config

import "fmt"

// checkBatch holds deliveries in batches against what does not go with them.
func (d *decoder) checkBatch(path string, r Route) {
	mode, _ := r.Callout.Mode()
	switch need := attemptsToIsolate(r.To.Batch); {
	case r.To.Batch <= 1:
	case r.Arrives == ArrivesCallout && (r.Waits == WaitsNone || mode == AnswerWaitThenAccept):
		d.wrong(path+".to.batch", "is above 1, but the caller waits for the answer to one event", "remove it, or set callout.answer: accept")
	case r.Retry.Attempts > 0 && r.Retry.Attempts < need:
		d.wrong(path+".retry.attempts",
			fmt.Sprintf("is %d, too few to find the one event that makes a batch of %d fail: the others would become dead letters with it", r.Retry.Attempts, r.To.Batch),
			fmt.Sprintf("at least %d, or a smaller to.batch", need))
	}
}

// attemptsToIsolate is how many attempts it takes until an event of a batch is
// sent alone: each further one has a quarter of the former's company.
func attemptsToIsolate(batch int) int {
	n := 1
	for ; batch > 1; batch /= 4 {
		n++
	}
	return n
}
