package callout

import (
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Request is what somebody asks of a route.
type Request struct {
	Method string
	// Path below the route, escaped, with its slash; empty for the route itself.
	Path string
	// Query without the question mark.
	Query string
	// Header is what is passed on to the application, by canonical name.
	Header map[string][]string
	// Body must not be changed afterwards.
	Body []byte
	// Key is the caller's Idempotency-Key; empty if there is none.
	Key string
	// OrderKey orders the events of a route that keeps them; empty leaves it to the route.
	OrderKey string
	// OrgID is the org that the caller says it is; may be empty.
	OrgID string
	// TraceParent is the W3C trace context that came with the request.
	TraceParent string
	// Patience is how long the caller says that it waits, from Received on; 0 if it says nothing.
	Patience time.Duration
	// Received is when the request's header had been read.
	Received time.Time
}

// Answer is what the caller gets.
type Answer struct {
	Status int
	Header map[string][]string
	Body   []byte
	// Replayed says that it was given before to the same Idempotency-Key.
	Replayed bool
	// Ours says that the answer is the gateway's own and not the application's.
	Ours bool
}

// safeMethod reports whether repeating a request has no further effect by what
// its method promises (RFC 9110 §9.2.2).
func safeMethod(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

// CheckPath refuses a path that would leave the route's place at the
// application.
func CheckPath(escaped string) *Problem {
	for segment := range strings.SplitSeq(escaped, "/") {
		plain, err := url.PathUnescape(segment)
		// Servlet containers take "..;x" for "..": what follows a semicolon is a parameter to them.
		name, _, _ := strings.Cut(plain, ";")
		if err != nil || name == "." || name == ".." || strings.ContainsAny(plain, "/\\\x00") {
			return &Problem{
				Status: 400, Code: CodeBadRequest, What: "the path has a segment that is not passed on (., .., or an encoded slash)",
				Happened: event.HappenedNo, Next: "send the path as the application knows it",
			}
		}
	}
	return nil
}

// maxKey is the longest idempotency key; it is also an event's id.
const maxKey = 255

// ParseKey reads an Idempotency-Key: as it stands, or as the quoted string that
// the header's draft standard asks for. Empty means that there is none.
func ParseKey(header string) (string, *Problem) {
	key := strings.TrimSpace(header)
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	if header != "" && key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return "", &Problem{
			Status: 400, Code: CodeBadRequest, What: "the Idempotency-Key is not 1 to 255 printable ASCII characters",
			Happened: event.HappenedNo, Next: "send one key per event, such as a UUID, and the same one with every repetition",
		}
	}
	return key, nil
}

// ParseDeadline reads X-Sallyport-Deadline: how long the caller still listens,
// as a number of milliseconds (what Apex gives to setTimeout) or a duration
// such as 20s. It is a span and no time of day, so that two clocks need not agree.
func ParseDeadline(header string) (time.Duration, *Problem) {
	text := strings.TrimSpace(header)
	if text == "" {
		return 0, nil
	}
	if digitsOnly(text) && len(text) < 10 {
		text += "ms"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, &Problem{
			Status: 400, Code: CodeBadRequest, What: "X-Sallyport-Deadline is neither milliseconds nor a duration such as 20s",
			Happened: event.HappenedNo, Next: "send the time that the callout waits for its answer, as given to setTimeout",
		}
	}
	return d, nil
}

func digitsOnly(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
