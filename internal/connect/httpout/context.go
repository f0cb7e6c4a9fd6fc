package httpout

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/event"
)

const clientContext = "X-Client-Context"

// addContext adds the org's context to a request, where the route asks for it. It
// comes last, so that nobody who calls through us can put one of their own in its
// place. If there is none to be had nothing is sent: an application that relies on it
// would fail, and count the event as judged.
func (d *Destination) addContext(ctx context.Context, h *headers, e *event.Event) *event.Outcome {
	if d.context == nil {
		return nil
	}
	value, err := d.context(ctx, e)
	if err == nil {
		h.set(clientContext, value)
		return nil
	}
	o := &event.Outcome{
		Verdict: event.Unavailable, Happened: event.HappenedNo, Reason: "no context of the org: " + err.Error(),
		Hint: event.HintOf(err),
	}
	if o.Hint == "" {
		o.Hint = "check that the gateway can log in to the org"
	}
	return o
}
