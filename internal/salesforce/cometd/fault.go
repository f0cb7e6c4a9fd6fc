package cometd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

var (
	errNoAnswer = errors.New("no answer from the server")
	errUnfit    = errors.New("the server offers no long polling")
)

// Refusal is a request that the server refused: in Bayeux's words, where error
// is "<code>:<arguments>:<text>", or by an HTTP status where no Bayeux answer came.
type Refusal struct {
	// Channel is the meta channel of the request; empty for an HTTP status.
	Channel string
	// Code is the number that error begins with; 0 if none.
	Code int
	// Text is what follows.
	Text string
	// Reason is ext.sfdc.failureReason, in which Salesforce hides the true cause.
	Reason string
	// Status is the HTTP status when the answer was none of Bayeux.
	Status int
	// After is the wait that the server asked for; 0 if none.
	After time.Duration

	advised string // advice.reconnect
}

// maxText bounds how much of the server's text an error repeats.
const maxText = 300

// Error returns the refusal in the server's words.
func (r *Refusal) Error() string {
	if r.Status != 0 {
		return fmt.Sprintf("HTTP %d %s", r.Status, http.StatusText(r.Status))
	}
	text := clip(r.Text)
	if r.Code != 0 {
		text = strconv.Itoa(r.Code) + ":" + text
	}
	if r.Reason != "" {
		text += " (" + clip(r.Reason) + ")"
	}
	return r.Channel + " refused: " + text
}

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func refusalOf(m *message) *Refusal {
	r := &Refusal{Channel: m.Channel, Text: m.Error, Reason: m.extension().SFDC.FailureReason}
	if code, text, ok := strings.Cut(m.Error, ":"); ok {
		if n, err := strconv.Atoi(code); err == nil {
			r.Code, r.Text = n, text
		}
	}
	if m.Advice != nil {
		r.advised = m.Advice.Reconnect
		if wait, ok := millis(m.Advice.Interval, maxInterval); ok {
			r.After = wait
		}
	}
	return r
}

// class is what to do about a refusal.
type class int

const (
	// classOther may pass; a new session is tried.
	classOther class = iota
	// classBusy: the server cannot now. The login is fine whatever the code says.
	classBusy
	// classSession: the server does not know the session (any more).
	classSession
	// classPosition: it does not know the replay id.
	classPosition
	// classLimit: an allocation of the org is spent.
	classLimit
	// classLogin: the token is dead, or the org has moved.
	classLogin
	// classDenied and classRequest need a person.
	classDenied
	classRequest
)

// class reads the refusal. The order matters: a busy server says 401 with the
// truth in the reason, and an unknown client is a 401 to some servers and a 403
// or 402 to others.
func (r *Refusal) class() class {
	text := strings.ToLower(r.Text + " " + r.Reason)
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case r.Code == 503, r.Status == 429, r.Status >= 500, strings.HasPrefix(r.Reason, "503"), has("too busy"):
		return classBusy
	case r.Code == 402, has("unknown client"), has("session_unknown"), has("has established a session, but no"):
		return classSession
	case has("replayid"), has("replay id"):
		return classPosition
	case has("limit exceeded"), has("limit has been exceeded"):
		return classLimit
	case r.Code == 401, strings.HasPrefix(r.Reason, "401"), r.Channel == metaHandshake && r.Code == 403:
		return classLogin
	case r.Status == 401, r.Status == 403, r.Status/100 == 3:
		return classLogin
	case r.advised == adviseHandshake:
		return classSession
	case r.Code == 403:
		return classDenied
	case r.Code/100 == 4, r.Status/100 == 4:
		return classRequest
	}
	return classOther
}

// ofSession reports whether a refused subscribe says something about the whole
// session and not about its topic.
func (r *Refusal) ofSession() bool {
	switch r.class() {
	case classSession, classLogin:
		return true
	case classBusy, classOther:
		return r.advised != ""
	case classPosition, classLimit, classDenied, classRequest:
	}
	return false
}

// dailyWait is how long to wait when the day's events are spent: minutes do not
// matter then, and asking costs a client of the allocation.
const dailyWait = 5 * time.Minute

// fault describes a failure with the three answers. A request that was refused,
// or whose answer was lost, changed nothing that a new session does not put right.
func fault(op string, err error) error {
	if _, ok := errors.AsType[*event.Error](err); ok {
		return err // a login that failed says all this itself
	}
	e := &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Transient, Err: err}
	if r, ok := errors.AsType[*Refusal](err); ok {
		e.After = r.After
		describe(e, r)
	} else if errors.Is(err, errUnfit) {
		e.Healing = event.Permanent
	} else if errors.Is(err, errTooLarge) {
		e.Hint = "the server sends more at once than is read; it is asked for the rest again"
	}
	return e
}

func describe(e *event.Error, r *Refusal) {
	switch r.class() {
	case classPosition:
		e.Healing, e.Err = event.Permanent, fmt.Errorf("%w: %w", event.ErrPositionRefused, r)
		e.Hint = "the position is older than the retention window or from before an org migration: resubscribe at the earliest event and refill the gap"
	case classLimit:
		e.Healing, e.Hint = event.Throttled, "the org has too many streaming clients at once: close some, or wait"
		if strings.Contains(strings.ToLower(r.Text), "daily") {
			e.After = max(e.After, dailyWait)
			e.Hint = "the org's event delivery allocation for 24 hours is spent: wait, remove subscribers, or buy the add-on"
		}
	case classLogin:
		e.Hint = "the Streaming API refuses the access token: check that the user may use the API and the app's scopes include it"
	case classDenied:
		e.Healing, e.Hint = event.Permanent, "check the user's permissions on the topic's object (View All; View All Data for a whole channel)"
	case classRequest:
		e.Healing, e.Hint = event.Permanent, "check that the topic exists (spelling is case-sensitive) and the API version"
	case classBusy, classSession, classOther:
	}
}

// isFormat reports whether an answer was not in Bayeux's form at all.
func isFormat(err error) bool {
	return errors.Is(err, errNoArray) || errors.Is(err, io.ErrUnexpectedEOF)
}

// ended reports whether the caller's context, and no failure, ended the work.
func ended(ctx context.Context) bool { return ctx.Err() != nil }
