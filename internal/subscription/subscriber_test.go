package subscription_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

const topic = "/event/Order__e"

// keep is a route that keeps every event but those of a type.
type keep struct{ name, but string }

func (k keep) Name() string { return k.name }

func (keep) Grouped() bool { return false }

func (k keep) Accept(e event.Event) (event.Event, bool) {
	e.Route = k.name
	return e, k.but == "" || e.Type != k.but
}

// rig is a subscriber with a journal and a bus in memory. It is built inside a
// synctest bubble.
type rig struct {
	t       *testing.T
	journal *subscriptiontest.Journal
	bus     *subscriptiontest.Bus
	sub     *subscription.Subscriber
	stop    context.CancelFunc
	done    chan error
}

func newRig(t *testing.T, cfg subscription.Config, routes ...subscription.Route) *rig {
	t.Helper()
	return (&rig{t: t, journal: subscriptiontest.NewJournal(), bus: subscriptiontest.NewBus()}).with(cfg, routes...)
}

// with builds another subscriber on the same journal and bus.
func (r *rig) with(cfg subscription.Config, routes ...subscription.Route) *rig {
	r.t.Helper()
	cfg.Topic = topic
	if cfg.Holder == "" {
		cfg.Holder = "one"
	}
	if len(routes) == 0 {
		routes = []subscription.Route{keep{name: "orders"}}
	}
	sub, err := subscription.New(cfg, subscription.Deps{
		Source: r.bus, Journal: r.journal, Leases: r.journal, Routes: routes, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return &rig{t: r.t, journal: r.journal, bus: r.bus, sub: sub, done: make(chan error, 1)}
}

func (r *rig) start() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop = cancel
	go func() { r.done <- r.sub.Run(ctx) }()
	synctest.Wait()
}

func (r *rig) halt() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("run: %v", err)
	}
	if n := r.bus.Streams(); n != 0 {
		r.t.Errorf("%d streams left open", n)
	}
}

func (r *rig) wantState(want subscription.State) {
	r.t.Helper()
	synctest.Wait()
	if s := r.sub.Status(); s.State != want {
		r.t.Errorf("state is %s (%s), want %s", s.State, s.Why, want)
	}
}

func (r *rig) wantStored(route string, want []event.Event) {
	r.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(ids(want), r.journal.Events(route)); diff != "" {
		r.t.Errorf("events of route %s (-want +have):\n%s", route, diff)
	}
}

// published returns n events from a number on, published now.
func published(from, n int) []event.Event {
	all := make([]event.Event, n)
	for i := range all {
		all[i] = event.Event{ID: fmt.Sprintf("e-%05d", from+i), Time: time.Now(), Data: []byte(`{"a":1}`)}
	}
	return all
}

func ids(events []event.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestSubscriber_StoresEventsWithTheirPositionAndResumesAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		before := published(0, 5)
		r.bus.Publish(before...) // before the subscription begins: not ours
		r.start()
		first := published(5, 250)
		r.bus.Publish(first...)
		r.wantStored("orders", first)
		r.wantState(subscription.Live)
		r.halt()
		r.wantState(subscription.Stopped)
		second := published(255, 50)
		r.bus.Publish(second...) // while nobody reads
		r.start()
		r.wantStored("orders", slices.Concat(first, second))
		r.halt()
		if got := r.bus.Opens()[1].After; !slices.Equal(got, r.bus.At(254)) {
			t.Errorf("resumed after %x, want %x", got, r.bus.At(254))
		}
		for _, a := range r.journal.Appends() {
			if len(a.Events) > 0 && a.Position == nil {
				t.Error("events were stored without a position")
			}
		}
	})
}

func TestSubscriber_StartsAtTheEarliestOnlyWhenToldTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{Earliest: true})
		all := published(0, 5)
		r.bus.Publish(all...)
		r.start()
		r.wantStored("orders", all)
		r.halt()
	})
}

func TestSubscriber_FeedsEveryRouteAndCountsWhatFiltersKeepOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{}, keep{name: "all"}, keep{name: "some", but: "noise"})
		r.start()
		all := published(0, 10)
		for i := range all {
			if i%2 == 1 {
				all[i].Type = "noise"
			}
		}
		r.bus.Publish(all...)
		r.wantStored("all", all)
		r.wantStored("some", []event.Event{all[0], all[2], all[4], all[6], all[8]})
		r.halt()
		filtered, _ := r.journal.Counts()
		if diff := cmp.Diff(map[string]int64{"some": 5}, filtered); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSubscriber_StoresAnEventThatComesTwiceOnceAlsoAcrossARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		all := published(0, 4)
		r.bus.Publish(all[0], all[1], all[1], all[2])
		synctest.Wait()
		r.halt()
		r.start()
		r.bus.Publish(all[0], all[2], all[3]) // the bus sends some again with new positions
		r.wantStored("orders", all)
		r.halt()
		if _, duplicates := r.journal.Counts(); duplicates["orders"] != 3 {
			t.Errorf("%d duplicates counted, want 3", duplicates["orders"])
		}
	})
}

func TestSubscriber_ANewRouteGetsWhatIsADuplicateForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		e := published(0, 1)
		r.bus.Publish(e...)
		synctest.Wait()
		r.halt()
		two := r.with(subscription.Config{}, keep{name: "orders"}, keep{name: "audit"})
		two.start()
		two.bus.Publish(e...)
		two.wantStored("orders", e)
		two.wantStored("audit", e)
		two.halt()
	})
}

func TestSubscriber_BatchesWhatCameDuringACommitAndBlocksTheReceiverWhenFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{MaxEvents: 300})
		r.bus.Credit = 50
		r.start()
		release := r.journal.Hold()
		all := published(0, 2000)
		r.bus.Publish(all...)
		synctest.Wait()
		if n := len(r.journal.Events("orders")); n != 0 {
			t.Fatalf("%d events stored through a held journal", n)
		}
		time.Sleep(20 * time.Minute) // the watchdog must not bark at our own slowness
		release()
		r.wantStored("orders", all)
		r.halt()
		if n := len(r.bus.Opens()); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		appends := r.journal.Appends()
		if len(appends) < 7 {
			t.Errorf("2000 events took %d appends, want at least the 7 that a bound of 300 asks for", len(appends))
		}
		for _, a := range appends {
			if len(a.Events) > 300 {
				t.Errorf("an append has %d events, above the bound", len(a.Events))
			}
		}
	})
}

func TestSubscriber_BoundsPendingBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{MaxBytes: 10_000})
		r.bus.Credit = 1
		r.start()
		release := r.journal.Hold()
		all := published(0, 40)
		for i := range all {
			all[i].Data = make([]byte, 3_000)
		}
		all[20].Data = make([]byte, 50_000) // larger than the bound: goes alone
		r.bus.Publish(all...)
		synctest.Wait()
		release()
		r.wantStored("orders", all)
		r.halt()
		for _, a := range r.journal.Appends() {
			if len(a.Events) > 2 {
				t.Errorf("an append has %d events of 3 kB under a bound of 10 kB", len(a.Events))
			}
		}
	})
}

func TestSubscriber_SurvivesAFailingStoreWithoutLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		r.bus.Publish(published(0, 10)...)
		synctest.Wait()
		r.journal.Fail(errors.New("disk full"))
		all := slices.Concat(published(0, 10), published(10, 30))
		r.bus.Publish(all[10:]...)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s := r.sub.Status(); !strings.Contains(s.Why, "disk full") {
			t.Errorf("status does not say why: %+v", s)
		}
		r.journal.Fail(nil)
		time.Sleep(time.Minute)
		all = append(all, published(40, 1)...)
		r.bus.Publish(all[40])
		r.wantStored("orders", all)
		r.wantState(subscription.Live)
		r.halt()
	})
}

func TestSubscriber_DoesNotStoreTwiceWhenTheAnswerOfACommitIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		r.journal.LoseAnswers(1)
		all := published(0, 10)
		r.bus.Publish(all...)
		time.Sleep(time.Minute)
		r.wantStored("orders", all)
		r.halt()
	})
}

func TestSubscriber_PersistsPositionsOfAQuietTopicRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.bus.KeepAlive = time.Minute
		r.bus.Publish(published(0, 3)...)
		r.start()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s := r.sub.Status(); s.Position == "" || s.WindowLeft < 71*time.Hour {
			t.Errorf("no position stored at the first keep-alive: %+v", s)
		}
		time.Sleep(99 * time.Minute)
		synctest.Wait()
		r.halt()
		if n := len(r.journal.Appends()); n < 8 || n > 11 {
			t.Errorf("%d positions stored in 100 quiet minutes, want one in ten", n)
		}
		if n := len(r.bus.Opens()); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		r.bus.Publish(published(3, 1)...) // lost if the tip were taken again
		r.start()
		r.wantStored("orders", published(3, 1))
		r.halt()
	})
}
