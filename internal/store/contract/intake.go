package contract

import (
	"errors"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// FollowMemory is how long the id of an event in [delivery.Settlement.Follow] is
// known to its route. A follower whose id the route already knows, from Accept
// or from another settlement, is not stored again but counted as a duplicate in
// the ledger of its route.
const FollowMemory = 24 * time.Hour

// ErrNoID is wrapped when an arrival asks to be remembered without having an id.
var ErrNoID = errors.New("the event has no id")

// CheckArrivals refuses arrivals that cannot be accepted. It is the first step
// of every engine's Accept.
func CheckArrivals(arrivals []route.Arrival) error {
	for i := range arrivals {
		if arrivals[i].Remember > 0 && arrivals[i].Event.ID == "" {
			return &event.Error{
				Op: "accept arrivals", Happened: event.HappenedNo, Healing: event.Permanent,
				Hint: "give every event an id that its sender repeats when it sends again", Err: ErrNoID,
			}
		}
	}
	return nil
}
