package event

import (
	"errors"
	"time"
)

// ErrPositionRefused is wrapped by a source's error when it no longer accepts
// the position it was asked to resume after: expired, corrupted, or of another org.
var ErrPositionRefused = errors.New("position refused by the source")

// Happened answers the first question about a failure: did it happen?
type Happened int

const (
	// HappenedUnknown: the request may have taken effect (a connection lost after
	// sending). Repeating it needs a stable id on the other side.
	HappenedUnknown Happened = iota
	// HappenedNo: nothing took effect; repeating is safe.
	HappenedNo
	// HappenedYes: it took effect.
	HappenedYes
)

// String returns "unknown", "no" or "yes".
func (h Happened) String() string {
	switch h {
	case HappenedNo:
		return "no"
	case HappenedYes:
		return "yes"
	default:
		return "unknown"
	}
}

// Healing answers the second question: can time heal it?
type Healing int

const (
	// Transient failures pass: retry with backoff.
	Transient Healing = iota
	// Throttled failures pass after a wait that the other side often names.
	Throttled
	// Permanent failures need a person or a different request.
	Permanent
)

// String returns "transient", "throttled" or "permanent".
func (h Healing) String() string {
	switch h {
	case Throttled:
		return "throttled"
	case Permanent:
		return "permanent"
	default:
		return "transient"
	}
}

// Error is a failure that answers the three questions: did it happen, can time
// heal it, what should a person do. Text and Hint carry no secrets and no payload.
type Error struct {
	// Op is the verb phrase of what was tried: "open subscribe stream".
	Op       string
	Happened Happened
	Healing  Healing
	// After is the wait asked for by the other side when throttled; 0 if none.
	After time.Duration
	// Hint is the next step for a person.
	Hint string
	// Err is the cause.
	Err error
}

// Error returns "op: cause".
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Op
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HealingOf returns how err heals: that of the outermost [Error] in its chain,
// [Transient] when there is none.
func HealingOf(err error) Healing {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Healing
	}
	return Transient
}

// HintOf returns the outermost non-empty hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
