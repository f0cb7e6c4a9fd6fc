package route

import "github.com/sallyport-dev/sallyport/internal/event"

// Prepare makes an event what the destination gets, for whoever delivers
// without a dispatcher: it asks the filter again and runs the transform. If it is not ok,
// the outcome says why the event cannot be delivered.
func (r *Route) Prepare(e *event.Event) (refused event.Outcome, ok bool) { return r.prepare(e) }
