package eventbus_test

import (
	"fmt"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// BenchmarkStream reads events over loopback gRPC in batches of 100, with credit 100.
func BenchmarkStream(b *testing.B) {
	var events []*pubsubpb.ConsumerEvent
	payload := account(b, "UPDATE", []string{"0015e00000AbCdEAAV"}, []string{"0x06"}, fmt.Sprintf("%0900d", 7), "005a")
	for i := range 100 {
		events = append(events, consumerEvent(fmt.Sprintf("2ec0e371-1395-457f-9275-be1b527a%04x", i), "account", "r1", payload))
	}
	server := &bus{subscribe: func(stream subscribeStream) error {
		for {
			r, err := stream.Recv()
			if err != nil {
				return nil // the client hung up
			}
			for credit := int(r.GetNumRequested()); credit > 0; credit -= 100 {
				if err := stream.Send(&pubsubpb.FetchResponse{Events: events[:min(credit, 100)]}); err != nil {
					return err
				}
			}
		}
	}}
	stream := open(b, source(b, server, "/data/AccountChangeEvent", eventbus.Config{}), event.Start{Earliest: true})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += len(next(b, stream).Events)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
