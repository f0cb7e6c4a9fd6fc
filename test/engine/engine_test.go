package engine_test

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

// quick keeps the waits of real time short.
var quick = delivery.Config{
	Concurrency: 16,
	Schedule:    delivery.Schedule{First: 5 * time.Millisecond, Max: 50 * time.Millisecond},
	Breaker:     delivery.BreakerConfig{ProbeFirst: 5 * time.Millisecond, ProbeMax: 50 * time.Millisecond},
}

func (a *app) wantInOrder(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, numbers := range a.taken {
		if !slices.IsSorted(numbers) {
			t.Errorf("key %s came out of order: %v", key, numbers)
		}
	}
}

func TestEngines_DeliverEveryEventInOrderThroughErrorsAndRestarts(t *testing.T) {
	t.Parallel()
	onEachStore(t, surviveErrorsAndRestarts)
}

func surviveErrorsAndRestarts(t *testing.T, store contract.Store) {
	const n = 800
	bus := subscriptiontest.NewBus()
	var requests atomic.Int64
	a := newApp(t, func(string) int {
		switch i := requests.Add(1); {
		case i > 200 && i < 260:
			return http.StatusServiceUnavailable // down for a while
		case i%37 == 0:
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	publish(bus, 0, n/2, 150)
	g := start(t, store, bus, a.URL, quick, route.Config{}, "one")
	a.await(t, 60)
	for i := range 3 { // restarts in mid-traffic
		g.stop()
		publish(bus, n/2+i*n/8, n/8, 150)
		g = start(t, store, bus, a.URL, quick, route.Config{}, "one")
		a.await(t, 80*(i+2))
	}
	publish(bus, n/2+3*n/8, n/8, 150)
	a.await(t, n)
	g.stop()
	a.wantInOrder(t)
	l := wantLedger(t, store, delivery.Ledger{Accepted: n, Delivered: n})
	if l.Redelivered != 0 {
		t.Errorf("%d redelivered after stops in order", l.Redelivered)
	}
	for id, times := range a.seen {
		if times != 1 {
			t.Errorf("%s was taken %d times", id, times)
		}
	}
}

func TestEngines_TwoProcessesShareOneStoreByLease(t *testing.T) {
	t.Parallel()
	onEachStore(t, shareOneStore)
}

func shareOneStore(t *testing.T, store contract.Store) {
	const n = 800
	bus := subscriptiontest.NewBus()
	a := newApp(t, func(string) int { return http.StatusOK })
	one := start(t, store, bus, a.URL, quick, route.Config{}, "one")
	publish(bus, 0, n/2, 100)
	a.await(t, 100)
	two := start(t, store, bus, a.URL, quick, route.Config{}, "two")
	a.await(t, n/2)
	if s := two.sub.Status(); s.State != subscription.Standby {
		t.Errorf("the second is %s (%s)", s.State, s.Why)
	}
	one.stop()
	began := time.Now()
	publish(bus, n/2, n/2, 100)
	a.await(t, n)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the successor took %s", took)
	}
	two.stop()
	a.wantInOrder(t)
	wantLedger(t, store, delivery.Ledger{Accepted: n, Delivered: n})
}

func TestEngines_FilterTransformAndDeadLettersAddUp(t *testing.T) {
	t.Parallel()
	onEachStore(t, addUp)
}

func addUp(t *testing.T, store contract.Store) {
	const n = 300
	bus := subscriptiontest.NewBus()
	var picky atomic.Bool
	picky.Store(true)
	var mu sync.Mutex
	refused := map[string]bool{}
	a := newApp(t, func(id string) int {
		mu.Lock()
		defer mu.Unlock()
		if picky.Load() && id[len(id)-1] == '4' {
			refused[id] = true
			return http.StatusUnprocessableEntity
		}
		return http.StatusOK
	})
	publish(bus, 0, n, 50)
	bus.Publish(event.Event{ID: "e-1000", Type: event.TypeUndecodable, Time: time.Now(), Data: []byte(`{}`)})
	rules := route.Config{Filter: `.Number__c % 3 != 0`, Transform: `if .Number__c == 5 then error("five") else {number: .Number__c} end`}
	g := start(t, store, bus, a.URL, quick, rules, "one")
	accepted, fours := 1, 0
	for i := range n {
		if i%3 != 0 {
			accepted++
			if i%10 == 4 {
				fours++
			}
		}
	}
	a.await(t, accepted-fours-2)
	g.stop() // drains what is in flight
	g = start(t, store, bus, a.URL, quick, rules, "one")
	awaitDead(t, store, fours+2)
	want := delivery.Ledger{
		Accepted: int64(accepted), Filtered: int64(n + 1 - accepted), Dead: int64(fours + 2), Delivered: int64(accepted - fours - 2),
	}
	wantLedger(t, store, want)
	picky.Store(false)
	if moved, err := store.Redrive(t.Context(), delivery.DeadFilter{Route: routeName}); moved != fours+2 || err != nil {
		t.Errorf("redrove %d, %v", moved, err)
	}
	a.await(t, accepted-2)
	awaitDead(t, store, 2)
	g.stop()
	want.Dead, want.Delivered = 2, int64(accepted-2)
	wantLedger(t, store, want)
	found := must(store.Find(t.Context(), "e-5"))(t)
	if len(found) != 1 || found[0].LastOutcome.Reason != "transform: error: five" {
		t.Errorf("dead letter: %+v", found)
	}
}

// awaitDead polls, since no signal tells of a dead letter from outside.
func awaitDead(t *testing.T, s delivery.Archive, n int) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		dead := must(s.List(t.Context(), delivery.ListFilter{Route: routeName, State: delivery.DeadState, Limit: 1000}))(t)
		if len(dead) == n {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%d dead letters, want %d", len(dead), n)
		}
	}
}
