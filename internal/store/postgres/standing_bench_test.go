package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// BenchmarkStandings compares what it costs to know how 250 events stand, a prefetch's
// worth that a route has moved away from: at once, and one by one. Half of them are unknown.
func BenchmarkStandings(b *testing.B) {
	db := testkit.Postgres(b)
	s := open(b, db)
	defer s.Close()
	const stored, asked = 100_000, 250
	var ids []string
	for n := range stored / benchBatch {
		events := batch(n)
		if err := s.Append(b.Context(), subscription.Append{Subscription: "s", Events: events, Position: []byte{1}}); err != nil {
			b.Fatal(err)
		}
		if n%8 == 0 && len(ids) < asked {
			ids = append(ids, events[n%benchBatch].ID, fmt.Sprintf("unknown-%d", n))
		}
	}
	execute(b, db, "ANALYZE") // as autovacuum does within a minute
	perEvent := func(b *testing.B, began time.Time) {
		b.ReportMetric(float64(time.Since(began).Microseconds())/float64(b.N*len(ids)), "µs/ev")
	}
	b.Run("at once", func(b *testing.B) {
		began := time.Now()
		for b.Loop() {
			if known, err := s.Standings(b.Context(), "orders", ids); err != nil || len(known) != len(ids)/2 {
				b.Fatalf("%d known, %v", len(known), err)
			}
		}
		perEvent(b, began)
	})
	b.Run("one by one", func(b *testing.B) {
		began := time.Now()
		for b.Loop() {
			for _, id := range ids {
				if _, err := s.Find(b.Context(), id); err != nil {
					b.Fatal(err)
				}
			}
		}
		perEvent(b, began)
	})
}
