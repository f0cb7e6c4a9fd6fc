package rabbitmq

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// Destination publishes events to an exchange. It is safe for concurrent use.
type Destination struct {
	publisher     *rabbit.Publisher
	exchange, key string
}

var _ event.Destination = (*Destination)(nil)

// NewDestination returns a destination that publishes with a routing key.
func NewDestination(p *rabbit.Publisher, exchange, key string) *Destination {
	return &Destination{publisher: p, exchange: exchange, key: key}
}

// Deliver implements [event.Destination]. Delivered means confirmed and taken by
// a queue. An event that no queue takes is rejected; what the broker refuses or
// does not answer is tried again under the same id.
func (d *Destination) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	errs := d.publisher.Publish(ctx, []rabbit.Publication{{Exchange: d.exchange, Key: d.key, Message: messageOf(&e, attempt)}})
	if errs == nil {
		return event.Outcome{Verdict: event.Delivered, Happened: event.HappenedYes}
	}
	return outcomeOf(errs[0])
}

func outcomeOf(err error) event.Outcome {
	o := event.Outcome{Verdict: event.Unavailable, Happened: event.HappenedNo, Reason: err.Error(), Hint: event.HintOf(err)}
	e, ok := errors.AsType[*event.Error](err)
	if !ok {
		return o
	}
	o.Happened, o.After = e.Happened, e.After
	switch {
	case errors.Is(err, rabbit.ErrReturned):
		o.Verdict = event.Reject
	case errors.Is(err, rabbit.ErrNacked):
		o.Verdict = event.Retry
	}
	return o
}
