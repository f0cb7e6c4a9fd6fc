package pubsub_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

func BenchmarkPlan_1KBChangeEvent(b *testing.B) {
	for _, bc := range []struct{ name, changeType, changed string }{
		{"create", "CREATE", "0x00"},
		{"update", "UPDATE", "0xFFFFFE"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			plan := mustPlan(b, wideSchema(), "Field00__c")
			payload := encode(b, wideSchema(), wideEvent(bc.changeType, bc.changed))
			var d pubsub.Decoded
			out, err := plan.AppendJSON(nil, payload, &d)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if out, err = plan.AppendJSON(out[:0], payload, &d); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(payload)), "payload-bytes")
			b.ReportMetric(float64(len(out)), "json-bytes")
		})
	}
}
