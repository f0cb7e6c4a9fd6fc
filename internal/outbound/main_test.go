package outbound_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/outbound"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// room is a waiting room in memory, which can be closed.
type room struct {
	mu     sync.Mutex
	closed bool
	seen   map[string]bool
	events []event.Event
}

var errClosed = errors.New("closed")

func (r *room) Accept(_ context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	receipts := make([]route.Receipt, len(arrivals))
	for i, a := range arrivals {
		receipts[i].Duplicate = r.seen[a.Event.ID]
		if !receipts[i].Duplicate {
			r.events = append(r.events, a.Event)
		}
		if a.Remember > 0 {
			r.seen[a.Event.ID] = true
		}
	}
	return receipts, nil
}

func (r *room) close(closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = closed
}

func (r *room) kept() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func receiver(t *testing.T, c outbound.Config, rc route.Config) (*outbound.Receiver, *room, *prometheus.Registry) {
	t.Helper()
	rc.Name = "orders"
	r, err := route.New(rc)
	if err != nil {
		t.Fatal(err)
	}
	kept, registry := &room{seen: map[string]bool{}}, prometheus.NewRegistry()
	out, err := outbound.New(c, outbound.Deps{Route: r, Intake: kept, Metrics: outbound.NewMetrics(registry), Log: testkit.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	return out, kept, registry
}
