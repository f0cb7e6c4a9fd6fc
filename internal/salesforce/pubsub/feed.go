package pubsub

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// feed is the stream below a subscription: Subscribe's or ManagedSubscribe's.
type feed interface {
	// ask requests n more events. The first request says which, and from where.
	ask(n int) error
	next() (fetched, error)
	trailer() metadata.MD
}

// fetched is a response of either.
type fetched struct {
	events  []*pubsubpb.ConsumerEvent
	latest  []byte
	pending int
	commit  *pubsubpb.CommitReplayResponse
}

type topicFeed struct {
	stream grpc.BidiStreamingClient[pubsubpb.FetchRequest, pubsubpb.FetchResponse]
	topic  string
	start  *Start // of the first request; nil after it
}

func (c *Client) topicFeed(ctx context.Context, topic string, start Start) (*topicFeed, error) {
	stream, err := c.api.Subscribe(ctx)
	return &topicFeed{stream: stream, topic: topic, start: &start}, err
}

func (f *topicFeed) ask(n int) error {
	r := &pubsubpb.FetchRequest{TopicName: f.topic, NumRequested: int32(n)} // at most MaxCredit
	if f.start != nil {
		r.ReplayPreset, r.ReplayId, f.start = f.start.preset(), f.start.After, nil
	}
	return f.stream.Send(r)
}

func (f *topicFeed) next() (fetched, error) {
	r, err := f.stream.Recv()
	return fetched{events: r.GetEvents(), latest: r.GetLatestReplayId(), pending: int(r.GetPendingNumRequested())}, err
}

func (f *topicFeed) trailer() metadata.MD { return f.stream.Trailer() }

type managedFeed struct {
	stream grpc.BidiStreamingClient[pubsubpb.ManagedFetchRequest, pubsubpb.ManagedFetchResponse]
	name   string // of the first request; empty after it
}

func (c *Client) managedFeed(ctx context.Context, name string) (*managedFeed, error) {
	stream, err := c.api.ManagedSubscribe(ctx)
	return &managedFeed{stream: stream, name: name}, err
}

func (f *managedFeed) ask(n int) error {
	r := &pubsubpb.ManagedFetchRequest{NumRequested: int32(n), DeveloperName: f.name} // at most MaxCredit
	f.name = ""
	return f.stream.Send(r)
}

func (f *managedFeed) commit(id string, at []byte) error {
	return f.stream.Send(&pubsubpb.ManagedFetchRequest{
		CommitReplayIdRequest: &pubsubpb.CommitReplayRequest{CommitRequestId: id, ReplayId: at},
	})
}

func (f *managedFeed) next() (fetched, error) {
	r, err := f.stream.Recv()
	pending := int(r.GetPendingNumRequested())
	return fetched{events: r.GetEvents(), latest: r.GetLatestReplayId(), pending: pending, commit: r.GetCommitResponse()}, err
}

func (f *managedFeed) trailer() metadata.MD { return f.stream.Trailer() }
