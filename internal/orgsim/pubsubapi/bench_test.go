package pubsubapi_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// BenchmarkSubscribe_Backlog serves a backlog of 1 KB events to one subscriber
// that holds 100 events of credit and tops it up as events come. ns/op is the
// time of one event; the client does nothing with it but count.
func BenchmarkSubscribe_Backlog(b *testing.B) {
	o := start(b)
	info, _ := o.bus.Topic(topic)
	const batch = 500
	drafts := make([]bus.Draft, batch)
	for appended := 0; appended < b.N; appended += batch {
		for i := range drafts {
			drafts[i] = bus.Draft{SchemaID: info.Schema.ID, Payload: make([]byte, 1015)}
		}
		if _, err := o.bus.Append(topic, drafts...); err != nil {
			b.Fatal(err)
		}
	}
	c, ctx := o.client(b)
	b.SetBytes(1015)
	b.ReportAllocs()
	b.ResetTimer()
	s := subscribe(b, c, ctx, earliest(100))
	for got := 0; got < b.N; {
		r, err := s.Recv()
		if err != nil {
			b.Fatal(err)
		}
		n := len(r.GetEvents())
		got += n
		if err := s.Send(&pubsubpb.FetchRequest{NumRequested: int32(n)}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
