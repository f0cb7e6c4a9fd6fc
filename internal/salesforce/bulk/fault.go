package bulk

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// jobHealing classifies the errorMessage of a failed job, which begins with one of
// the named errors of the guide.
func jobHealing(message string) event.Healing {
	name, _, _ := strings.Cut(message, ":")
	switch name = strings.TrimSpace(name); {
	case name == "ExceededQuota":
		return event.Throttled
	case name == "Timeout", name == "TooManyLockFailure", strings.Contains(message, "QUERY_TIMEOUT"),
		strings.Contains(message, "UNKNOWN_EXCEPTION"), strings.Contains(message, "SERVER_UNAVAILABLE"):
		return event.Transient
	}
	return event.Permanent
}
