package pubsub

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// errNotManaged is what Commit says of a subscription whose position we keep.
var errNotManaged = errors.New("the org does not keep this subscription's position")

// ManagedSubscribe opens a ManagedEventSubscription by its developer name: the org
// keeps its position and knows its topic. It goes on after the last position that was
// committed; where that is no longer good, at the end that the org's settings
// name, without a word. It has one client at a time. Otherwise it is as Subscribe.
func (c *Client) ManagedSubscribe(ctx context.Context, name string) (*Subscription, error) {
	return c.begin(ctx, &Subscription{op: "subscribe to managed subscription " + name, managed: name})
}

// Commit tells the org that everything up to a position was taken in for good. It does
// not wait; a position that the org refuses ends the stream. It may be called while
// Recv blocks.
func (s *Subscription) Commit(at salesforce.ReplayID) error {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	f, ok := s.feed.(*managedFeed)
	if !ok {
		return errNotManaged
	}
	if err := f.commit(uuid.NewString(), at); err != nil {
		return fmt.Errorf("commit position: %w", err) // the stream is dead, which Recv reports with its cause
	}
	return nil
}

// committed reads the answer to a commit; nil is none.
func (s *Subscription) committed(answer *pubsubpb.CommitReplayResponse) error {
	if answer.GetError() == nil {
		return nil
	}
	return &event.Error{
		Op: s.op, Happened: event.HappenedNo, Healing: event.Transient,
		Err:  fmt.Errorf("the org refused a commit: %s: %s", answer.GetError().GetCode(), answer.GetError().GetMsg()),
		Hint: "the stream goes on after the position that was committed before; what comes twice is known by its id",
	}
}

// taken knows that a managed subscription which another client has is free again
// soon: after a hand-over the org takes a moment to see that the first has gone.
func (s *Subscription) taken(err error) error {
	refusal, ok := salesforce.AsAPIError(err)
	fault, known := errors.AsType[*event.Error](err)
	if s.managed == "" || !ok || !known || refusal.GRPC != "ALREADY_EXISTS" {
		return err
	}
	fault.Healing = event.Transient
	fault.Hint = "only one client at a time may read a managed subscription; stop the other, or give each its own"
	return err
}
