package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// credit is the cap of the Pub/Sub API.
const credit = 100

// subscribe reads all events from the earliest and returns how long that took
// from the first answer's request to the last event.
func subscribe(ctx context.Context, at access, events int) (time.Duration, error) {
	conn, err := grpc.NewClient(at.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return 0, err
	}
	defer conn.Close() // read only
	ctx = metadata.AppendToOutgoingContext(ctx, "accesstoken", at.Token, "instanceurl", at.Instance, "tenantid", at.Tenant)
	stream, err := pubsubpb.NewPubSubClient(conn).Subscribe(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = stream.Send(&pubsubpb.FetchRequest{TopicName: at.Topic, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: credit})
	if err != nil {
		return 0, err
	}
	var last []byte
	for got := 0; got < events; {
		r, err := stream.Recv()
		if err != nil {
			return 0, fmt.Errorf("after %d events: %w", got, err)
		}
		n := len(r.GetEvents())
		if n == 0 {
			continue
		}
		if err := stream.Send(&pubsubpb.FetchRequest{NumRequested: int32(n)}); err != nil {
			return 0, err
		}
		for _, e := range r.GetEvents() {
			if bytes.Compare(e.GetReplayId(), last) <= 0 {
				return 0, fmt.Errorf("event %d does not follow the one before", got)
			}
			last = e.GetReplayId()
			got++
		}
	}
	return time.Since(began), nil
}
