package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/writeback"
	"github.com/sallyport-dev/sallyport/internal/event"
)

const (
	// writeBytes bounds the payload of one attempt: what fits into few requests.
	writeBytes = 16 << 20
	// writeRequests is how many requests of a batch may take their longest before the
	// attempt is cut off; those that were not made come with the next one.
	writeRequests = 3
)

// newWriteBack builds a way into the org.
func (g *Gateway) newWriteBack(s config.Salesforce, org *wires) (outlet, error) {
	if org == nil {
		return outlet{}, errors.New("a route to salesforce needs the org's login")
	}
	destination, err := writeback.New(writeback.Config{
		Publish: s.Publish, Object: s.Object, Operation: writeback.Operation(s.Operation), ExternalID: s.ExternalID,
		IdempotencyField: s.IdempotencyField, Allow: s.Allow, Via: writeback.Via(s.Via),
		BulkOver: s.BulkOver, RetryCodes: s.RetryCodes, CallTimeout: s.Timeout, BulkTimeout: s.BulkTimeout,
		Budget: draw{org.budget, budget.WriteBack},
	}, writeback.Wires{REST: org.rest, Bulk: org.bulk, Bus: org.bus})
	if err != nil {
		return outlet{}, err
	}
	g.closers = append(g.closers, func() error { destination.Close(); return nil })
	return outlet{destination: destination, timeout: attemptOf(s), batch: s.Batch, batchBytes: writeBytes}, nil
}

func attemptOf(s config.Salesforce) time.Duration {
	if s.BulkOver > 0 {
		return max(s.BulkTimeout, s.Timeout*writeRequests)
	}
	return s.Timeout * writeRequests
}

// follower is what a delivered event's answer brings about.
type follower func(event.Event, event.Outcome) []event.Event

// repliesOf turns the answers of a route's application into events of the route
// that it names; nil for a route whose answers go nowhere.
func repliesOf(b binding, all []binding) (follower, error) {
	to := b.settings.Reply.To
	if to == "" {
		return nil, nil // a route without replies is no failure
	}
	for _, other := range all {
		if other.route.Name() == to {
			return other.route.Replies().Follow, nil
		}
	}
	return nil, fmt.Errorf("route %q replies to %q, which there is not", b.route.Name(), to)
}

// keptAnswer is how much of an answer is kept.
func keptAnswer(r config.Reply) int {
	if r.To == "" {
		return 0
	}
	return int(r.MaxAnswer)
}
