package callout

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// waiters are the callers who wait for an event's end, by its id.
type waiters struct {
	mu   sync.Mutex // guards open
	open map[string][]chan ending
}

// ending is how an event ended, or that it has ended in another process.
type ending struct {
	outcome   event.Outcome
	elsewhere bool
}

func (w *waiters) init() { w.open = map[string][]chan ending{} }

func (w *waiters) add(id string) chan ending {
	c := make(chan ending, 1)
	w.mu.Lock()
	w.open[id] = append(w.open[id], c)
	w.mu.Unlock()
	return c
}

func (w *waiters) remove(id string, c chan ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := slices.DeleteFunc(w.open[id], func(other chan ending) bool { return other == c })
	if len(rest) == 0 {
		delete(w.open, id)
		return
	}
	w.open[id] = rest
}

// ids are those of the events that somebody waits for.
func (w *waiters) ids() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.open))
}

// tell never blocks: each waiter hears one end, the first.
func (w *waiters) tell(id string, end ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open[id] {
		select {
		case c <- end:
		default:
		}
	}
}

// await waits for the end of an accepted event, as long as the route says and
// the caller listens. It reports whether the event has ended.
func (a *Acceptor) await(ctx context.Context, id string, told <-chan ending, duplicate bool, req *Request) (Answer, bool, *Problem) {
	if duplicate { // its end may be past
		if answer, ended, problem := a.past(ctx, id); ended {
			return answer, true, problem
		}
	}
	patience := a.cfg.Wait
	if req.Patience > 0 {
		patience = min(patience, untilNobodyListens(req.Patience, a.cfg.RouterTimeout))
	} else {
		patience = min(patience, untilNobodyListens(Longest, a.cfg.RouterTimeout))
	}
	timer := time.NewTimer(time.Until(req.Received.Add(patience)))
	defer timer.Stop()
	select {
	case end := <-told:
		if !end.elsewhere {
			answer, problem := a.ending(id, end.outcome)
			return answer, true, problem
		}
	case <-timer.C:
	case <-ctx.Done():
	case <-a.stop:
	}
	return a.past(context.WithoutCancel(ctx), id) // another process may have delivered it
}

// ending is the answer to a caller whose event has ended.
func (a *Acceptor) ending(id string, o event.Outcome) (Answer, *Problem) {
	if o.Verdict != event.Delivered {
		return Answer{}, undelivered(o)
	}
	answer := a.answer(200, id, string(delivery.Delivered), false)
	if o.Answer != nil && !o.Answer.Truncated {
		answer.Ours, answer.Body = false, o.Answer.Body
		answer.Header["Content-Type"] = []string{o.Answer.ContentType}
		if o.Status >= 200 && o.Status <= 299 {
			answer.Status = o.Status
		}
	}
	return answer, nil
}

// past looks up whether an event has ended already.
func (a *Acceptor) past(ctx context.Context, id string) (Answer, bool, *Problem) {
	r, problem := a.lookUp(ctx, id)
	switch {
	case problem != nil:
		return Answer{}, false, nil // it is accepted all the same
	case r.State == delivery.Delivered:
		o := event.Outcome{Verdict: event.Delivered}
		if kept, err := a.answers.find(ctx, id); err == nil && kept != nil {
			o.Status, o.Answer = kept.Status, &event.Answer{ContentType: kept.contentType(), Body: kept.Body}
		}
		answer, problem := a.ending(id, o)
		answer.Replayed = true
		return answer, true, problem
	case r.State == delivery.DeadState:
		return Answer{}, true, undelivered(r.LastOutcome)
	}
	return Answer{}, false, nil
}

// undelivered is what a caller is told whose event became a dead letter while it waited.
func undelivered(o event.Outcome) *Problem {
	return &Problem{
		Status: 502, Code: CodeUndelivered, What: "the application did not take the event: " + orElse(o.Reason, "no reason given"), Happened: o.Happened,
		Next: "the event is kept as a dead letter: the gateway's operator can redrive it; repeating the request does not. " + o.Hint,
	}
}
