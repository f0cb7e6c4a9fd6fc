package subscription_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

// keeping is a bus that keeps the position itself.
type keeping struct {
	*subscriptiontest.Bus
	journal *subscriptiontest.Journal

	mu    sync.Mutex
	told  []event.Position
	early bool // told before it was stored
}

func (k *keeping) Open(ctx context.Context, _ event.Start) (event.Stream, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	start := event.Start{Earliest: true}
	if n := len(k.told); n > 0 {
		start = event.Start{After: k.told[n-1]}
	}
	st, err := k.Bus.Open(ctx, start)
	return keepingStream{st, k}, err
}

type keepingStream struct {
	event.Stream
	of *keeping
}

func (s keepingStream) Commit(at event.Position) error {
	cp, err := s.of.journal.Checkpoint(context.Background(), topic)
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.early = s.of.early || slices.Compare(cp.Position, at) < 0
	s.of.told = append(s.of.told, at)
	return err
}

// A source that keeps the position is told of it when events are stored and not
// before, about once a second, and at the end; a later stream begins there.
func TestSubscriber_TellsASourceThatKeepsThePosition(t *testing.T) {
	t.Parallel()
	for _, groups := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			journal := subscriptiontest.NewJournal()
			bus := &keeping{Bus: subscriptiontest.NewBus(), journal: journal}
			routes := []subscription.Route{keep{name: "orders"}}
			if groups {
				routes = []subscription.Route{whole{keep{name: "orders"}}}
			}
			run := func() (halt func()) {
				sub, err := subscription.New(subscription.Config{Topic: topic, Holder: "one", SourceKeeps: true}, subscription.Deps{
					Source: bus, Journal: journal, Leases: journal, Routes: routes, Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				r := &rig{t: t, journal: journal, bus: bus.Bus, sub: sub, done: make(chan error, 1)}
				r.start()
				return r.halt
			}
			release := journal.Hold()
			bus.Publish(changed("a", 1, 10)...)
			halt := run()
			time.Sleep(10 * time.Second)
			if len(bus.told) != 0 {
				t.Errorf("told of %d positions before anything was stored", len(bus.told))
			}
			release()
			time.Sleep(10 * time.Second)
			for i := range 20 {
				bus.Publish(changed("b", 1+i, 1)...)
				time.Sleep(100 * time.Millisecond)
			}
			halt()
			least := 2
			if groups {
				least = 1 // the second transaction is held at the end
			}
			if n := len(bus.told); bus.early || n < least || n > 6 {
				t.Errorf("told of %d positions, too early: %v", n, bus.early)
			}
			stored := len(journal.All())
			halt = run()
			time.Sleep(10 * time.Second)
			halt()
			if groups {
				if n := len(journal.All()) - stored; n > 1 {
					t.Errorf("%d groups came again", n)
				}
			} else if n := len(journal.All()); n != 30 {
				t.Errorf("%d events stored, want 30", n)
			}
			if starts := bus.Opens(); starts[len(starts)-1].After == nil {
				t.Errorf("streams began at %+v", starts)
			}
		})
	}
}
