package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Kind is what a notice tells of an alarm.
type Kind string

// The kinds of a notice.
const (
	// Raised: it has begun, or become worse.
	Raised Kind = "raised"
	// Repeated: it is still there.
	Repeated Kind = "repeated"
	// Resolved: it is over.
	Resolved Kind = "resolved"
)

// Notice is the body of what the target is sent.
type Notice struct {
	// Text is all of it in one line; chat webhooks show it.
	Text string `json:"text"`
	// Notice is the kind.
	Notice Kind  `json:"notice"`
	Alarm  Alarm `json:"alarm"`
	// At is when the notice was made.
	At time.Time `json:"at"`
}

// typePrefix begins the CloudEvents type of a notice; its kind ends it.
const typePrefix = "com.sallyport.alarm."

// newNotice makes the event that tells of an alarm. Its id is made of what it
// tells, so that a notice that has to be sent twice is known as one.
func newNotice(kind Kind, a Alarm, number int, now time.Time) (event.Event, error) {
	n := Notice{Text: text(kind, a, now), Notice: kind, Alarm: a, At: now.UTC()}
	body, err := json.Marshal(n)
	if err != nil {
		return event.Event{}, fmt.Errorf("write notice: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", a.ID, a.Since.UnixMicro(), number))
	return event.Event{
		ID: hex.EncodeToString(sum[:16]), Source: "sallyport/alarms", Type: typePrefix + string(kind), Subject: a.ID,
		Time: n.At, Key: a.ID, Route: "alarms", Data: body,
	}, nil
}

func text(kind Kind, a Alarm, now time.Time) string {
	if kind == Resolved {
		return fmt.Sprintf("RESOLVED %s %s, after %s: %s", a.Rule, a.Subject, rough(now.Sub(a.Since)), a.What)
	}
	line := fmt.Sprintf("%s %s: %s", strings.ToUpper(string(a.Severity)), a.Rule, a.What)
	if kind == Repeated {
		line = fmt.Sprintf("STILL %s, since %s", line, rough(now.Sub(a.Since)))
	}
	if a.Hint != "" {
		line += ". Next: " + a.Hint
	}
	return line
}
