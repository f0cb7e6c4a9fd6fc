package auth

import (
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Fault describes a refusal by Salesforce with the three answers: happened as
// the caller knows it, healing and hint as the refusal's code tells.
func Fault(op string, happened event.Happened, refusal *salesforce.APIError) *event.Error {
	return &event.Error{
		Op: op, Happened: happened, Healing: HealingOf(refusal), Hint: refusal.Hint(), Err: refusal,
	}
}

// HealingOf translates a refusal's healing into the word of the event package.
func HealingOf(refusal *salesforce.APIError) event.Healing {
	switch refusal.Healing() {
	case salesforce.Throttled:
		return event.Throttled
	case salesforce.Permanent:
		return event.Permanent
	default:
		return event.Transient
	}
}
