package route_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// shelf is an intake with an account. An id that begins with "again" is a duplicate.
type shelf struct {
	mu             sync.Mutex
	accepted, done int64
	away           error
}

func (s *shelf) Accept(_ context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	receipts := make([]route.Receipt, len(arrivals))
	for i, a := range arrivals {
		if receipts[i].Duplicate = a.Event.ID == "again"; !receipts[i].Duplicate && a.Event.Route == "orders" {
			s.accepted++
		}
	}
	return receipts, s.away
}

func (s *shelf) depths(context.Context) ([]delivery.Depth, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []delivery.Depth{{Route: "orders", Waiting: s.accepted - s.done, Ended: s.done}, {Route: "other", Waiting: 1 << 40}}, s.away
}

func (s *shelf) end(n int64) { s.mu.Lock(); s.done += n; s.mu.Unlock() }

func (s *shelf) fail(err error) { s.mu.Lock(); s.away = err; s.mu.Unlock() }

func arrive(to string, ids ...string) []route.Arrival {
	all := make([]route.Arrival, len(ids))
	for i, id := range ids {
		all[i] = route.Arrival{Event: event.Event{Route: to, ID: id}}
	}
	return all
}

// full reports the wait that a refusal names; 0 when there was none.
func full(t *testing.T, g *route.Gate, arrivals []route.Arrival) time.Duration {
	t.Helper()
	_, err := g.Accept(t.Context(), arrivals)
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*event.Error](err)
	if !ok || e.Healing != event.Throttled || e.Happened != event.HappenedNo || e.Hint == "" {
		t.Fatalf("accept: %v", err)
	}
	return e.After
}

func TestGate_RefusesWhileTooManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		g := route.NewGate(s, map[string]int{"orders": 10}, s.depths, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		synctest.Wait()
		for range 9 {
			if full(t, g, arrive("orders", "one")) != 0 {
				t.Fatal("refused below the limit")
			}
		}
		// Duplicates do not fill it, and a call that begins below the limit is taken whole.
		if full(t, g, arrive("orders", "again", "again", "again")) != 0 || full(t, g, arrive("orders", "two", "three", "four")) != 0 {
			t.Fatal("refused below the limit")
		}
		if after := full(t, g, arrive("orders", "five")); after != time.Minute {
			t.Fatalf("full, and nothing ends: told to wait for %s", after)
		}
		if full(t, g, arrive("other", "six")) != 0 {
			t.Fatal("refused on a route without a limit")
		}
		time.Sleep(time.Second) // what was counted meanwhile is not counted twice
		synctest.Wait()
		s.end(1)
		time.Sleep(time.Second)
		synctest.Wait()
		if after := full(t, g, arrive("orders", "five")); after != 7*time.Second {
			t.Fatalf("2 of 11 above nine tenths, 0.3 a second: told to wait for %s", after)
		}
		s.end(2)
		time.Sleep(time.Second)
		synctest.Wait()
		if full(t, g, arrive("orders", "five")) != 0 || full(t, g, arrive("orders", "six")) == 0 {
			t.Fatal("9 of 10 wait, one more fits")
		}
		s.fail(errors.New("away")) // the last measure counts on
		time.Sleep(10 * time.Second)
		if full(t, g, arrive("orders", "six")) == 0 {
			t.Fatal("taken in without knowing")
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}
