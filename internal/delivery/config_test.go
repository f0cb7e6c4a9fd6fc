package delivery_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
)

func TestConfig_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := delivery.New(delivery.Config{
		Concurrency: -1, Ahead: -5, Run: -1, Ordered: true, Lease: -1,
		Schedule: delivery.Schedule{First: time.Hour, Max: time.Minute},
		Breaker:  delivery.BreakerConfig{Ratio: 2, ProbeFirst: time.Hour, ProbeMax: time.Minute},
	}, delivery.Deps{Queue: deliverytest.New(), Destination: deliverytest.Answering(always(delivered)), Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"no name", "concurrency", "run of", "ahead", "lease", "largest retry wait", "ratio", "probe waits"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not mention %q:\n%v", want, err)
		}
	}
	if _, err := delivery.New(delivery.Config{Route: route}, delivery.Deps{}); err == nil {
		t.Error("a dispatcher without a queue was built")
	}
}

func TestSchedule_WaitsStayWithinTheirBounds(t *testing.T) {
	t.Parallel()
	s := delivery.Schedule{}.WithDefaults()
	for attempt := 1; attempt < 100; attempt++ {
		bound := 10 * time.Minute
		if attempt < 10 {
			bound = time.Second << (attempt - 1)
		}
		lowest, highest := time.Hour, time.Duration(0)
		for range 200 {
			wait := s.Wait(attempt, 0)
			lowest, highest = min(lowest, wait), max(highest, wait)
		}
		if lowest < 100*time.Millisecond || highest > bound {
			t.Fatalf("attempt %d waits from %s to %s, want 100ms to %s", attempt, lowest, highest, bound)
		}
		if highest < bound*8/10 || lowest > max(bound*2/10, 150*time.Millisecond) {
			t.Fatalf("attempt %d waits from %s to %s: no jitter over the whole of %s", attempt, lowest, highest, bound)
		}
	}
}
