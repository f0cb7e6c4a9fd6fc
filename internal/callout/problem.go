package callout

import (
	"errors"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// The codes of problems. They are the contract with callers: a code keeps its meaning.
const (
	CodeBadRequest   = "bad_request"
	CodeBadEvent     = "bad_event"
	CodeTooLarge     = "too_large"
	CodeTooMany      = "too_many_events"
	CodeUnsupported  = "unsupported_media_type"
	CodeNotFound     = "not_found"
	CodeMethod       = "method_not_allowed"
	CodeKeyReused    = "key_reused"
	CodeKeyInUse     = "key_in_progress"
	CodeOverloaded   = "overloaded"
	CodeAppDown      = "app_down"
	CodeAppSlow      = "app_slow"
	CodeAppLost      = "app_connection_lost"
	CodeAppAnswer    = "app_answer_unusable"
	CodeStore        = "store_unavailable"
	CodeFull         = "route_full"
	CodeStopping     = "stopping"
	CodeBehind       = "behind_failed"
	CodeUndelivered  = "not_delivered"
	CodeUnprocessed  = "transform_failed"
	CodeInternal     = "internal"
	CodeDisconnected = "caller_gone"
)

// Problem is an answer that says no, with the three things that a caller needs:
// did it happen, is there a point in trying again, what to do.
type Problem struct {
	// Status is the HTTP status that fits.
	Status int
	// Code is one of the Code constants.
	Code string
	// What is one line, without payload.
	What string
	// Happened says whether the application may have acted.
	Happened event.Happened
	// Retry says that the same request may succeed later; After is when, 0 if
	// nobody knows.
	Retry bool
	After time.Duration
	// Next is the next step.
	Next string
	// Field is the field of an event that is meant; may be empty.
	Field string
	// Err is the cause, for the log.
	Err error
}

// Error returns the code and what happened.
func (p *Problem) Error() string {
	if p.Err != nil {
		return p.Code + ": " + p.What + ": " + p.Err.Error()
	}
	return p.Code + ": " + p.What
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// storeProblem is what a caller is told when the waiting room did not take an event.
func storeProblem(err error) *Problem {
	p := &Problem{
		Status: 503, Code: CodeStore, What: "the event could not be stored", Happened: event.HappenedUnknown, Retry: true, After: time.Second,
		Next: "send it again with the same Idempotency-Key", Err: err,
	}
	if e, ok := errors.AsType[*event.Error](err); ok {
		p.Happened = e.Happened
		p.After = max(p.After, e.After)
		if e.Healing == event.Throttled && e.Happened == event.HappenedNo && e.Err != nil {
			p.Code, p.What = CodeFull, e.Err.Error()
			p.Next = "nothing was stored: send it again after Retry-After; the gateway's operator sees: " + e.Hint
		}
		if e.Healing == event.Permanent {
			p.Status, p.Retry, p.After = 500, false, 0
			p.Next = "the gateway's operator must see its log"
		}
	}
	return p
}

// silence is what a caller is told when the application gave no answer at all.
func silence(o event.Outcome, tries int) *Problem {
	p := &Problem{Happened: o.Happened, Retry: true, What: o.Reason, After: o.After}
	switch {
	case o.Verdict == event.Unavailable && o.Happened == event.HappenedNo:
		p.Status, p.Code = 502, CodeAppDown
		p.Next = "nothing was sent: try again later; the gateway's operator sees: " + orElse(o.Hint, "the application cannot be reached")
		p.After = max(p.After, time.Second)
	case o.Verdict == event.Reject:
		p.Status, p.Code, p.Retry, p.Next = 502, CodeAppAnswer, false, o.Hint
	default:
		p.Status, p.Code = 502, CodeAppLost
		p.Next = "the application may have acted: repeat with an Idempotency-Key that it honours, or ask it first"
	}
	if tries > 1 {
		p.What += " (after several tries)"
	}
	return p
}

// tooSlow is what a caller is told when its time is over and the application has not answered.
func tooSlow(budget time.Duration) *Problem {
	return &Problem{
		Status: 504, Code: CodeAppSlow, What: "the application has not answered within " + budget.Round(time.Millisecond).String(),
		Happened: event.HappenedUnknown, Retry: true,
		Next: "the application may still be at work: repeat with the same Idempotency-Key, wait longer, or have the route answer: accept",
	}
}

func overloaded(after time.Duration) *Problem {
	return &Problem{
		Status: 503, Code: CodeOverloaded, What: "the application has as many callouts in hand as it bears",
		Happened: event.HappenedNo, Retry: true, After: max(after, time.Second), Next: "nothing was sent: try again after Retry-After",
	}
}

func orElse(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}
