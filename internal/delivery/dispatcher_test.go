package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
	"github.com/sallyport-dev/sallyport/internal/event"
)

const route = "orders"

var (
	delivered = event.Outcome{Verdict: event.Delivered, Status: 200, Happened: event.HappenedYes}
	refused   = event.Outcome{
		Verdict: event.Unavailable, Happened: event.HappenedNo,
		Reason: "connection refused", Hint: "start the application",
	}
	failed = event.Outcome{Verdict: event.Retry, Status: 500, Reason: "the application answered 500"}
	busy   = event.Outcome{Verdict: event.Unavailable, Status: 503, Reason: "the application answered 503"}
)

// rig is a dispatcher with a queue in memory and a scripted destination. It is
// built inside a synctest bubble.
type rig struct {
	t     *testing.T
	queue *deliverytest.Queue
	dest  *deliverytest.Destination
	d     *delivery.Dispatcher
	stop  context.CancelFunc
	done  chan error
}

func newRig(t *testing.T, cfg delivery.Config, answer func(context.Context, event.Event, int) event.Outcome) *rig {
	t.Helper()
	dest := deliverytest.Answering(answer)
	r := newRigWith(t, cfg, delivery.Deps{Destination: dest})
	r.dest = dest
	return r
}

// newRigWith is newRig with more to work with than a destination.
func newRigWith(t *testing.T, cfg delivery.Config, deps delivery.Deps) *rig {
	t.Helper()
	r := &rig{t: t, queue: deliverytest.New(), done: make(chan error, 1)}
	cfg.Route, deps.Queue = route, r.queue
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	d, err := delivery.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	r.d = d
	return r
}

func (r *rig) start() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop = cancel
	go func() { r.done <- r.d.Run(ctx) }()
}

// halt stops the dispatcher and returns how long that took.
func (r *rig) halt() time.Duration {
	r.t.Helper()
	began := time.Now()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("run: %v", err)
	}
	return time.Since(began)
}

func (r *rig) want(state delivery.State, n int) {
	r.t.Helper()
	if have := r.queue.Count(state); have != n {
		r.t.Errorf("%d events are %s, want %d", have, state, n)
	}
}

func events(n, keys int) []event.Event {
	all := make([]event.Event, n)
	for i := range all {
		all[i] = event.Event{ID: fmt.Sprintf("e-%05d", i), Route: route, Data: []byte(`{}`)}
		if keys > 0 {
			all[i].Key = fmt.Sprintf("key-%d", i%keys)
		}
	}
	return all
}

func always(o event.Outcome) func(context.Context, event.Event, int) event.Outcome {
	return func(context.Context, event.Event, int) event.Outcome { return o }
}

func TestDispatcher_DeliversAllAtTheSetConcurrencyAndSettlesInGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{Concurrency: 8}, func(context.Context, event.Event, int) event.Outcome {
			time.Sleep(10 * time.Millisecond)
			return delivered
		})
		r.queue.SettleTime = 20 * time.Millisecond
		r.queue.Add(events(800, 0)...)
		r.start()
		time.Sleep(1100 * time.Millisecond) // 800 events at 8 x 100 a second
		synctest.Wait()
		r.want(delivery.Delivered, 800)
		r.halt()
		if top := r.dest.Top(); top != 8 {
			t.Errorf("%d attempts ran at once, want 8", top)
		}
		// 50 commits of 20 ms fit into a second: commits must not hold up workers.
		if n := r.queue.Settles(); n > 55 {
			t.Errorf("800 events took %d settlements, want what ended during one to share the next", n)
		}
	})
}

func TestDispatcher_KeepsTheOrderOfEachLaneWhateverFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		fate := map[string]int{} // failures to come, by id
		all := events(800, 40)
		for _, e := range all {
			if random.IntN(10) == 0 {
				fate[e.ID] = 1 + random.IntN(3)
			}
		}
		cfg := delivery.Config{Ordered: true, Concurrency: 16, Run: 5, Breaker: delivery.BreakerConfig{Ratio: -1}}
		r := newRig(t, cfg, func(_ context.Context, e event.Event, attempt int) event.Outcome {
			time.Sleep(time.Millisecond)
			if attempt <= fate[e.ID] {
				return failed
			}
			return delivered
		})
		r.queue.Add(all...)
		r.start()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, len(all))
		wantOrdered(t, r.dest.Calls())
		retried := 0
		for _, it := range r.queue.Items() {
			if it.Attempts != fate[it.Claimed.Event.ID]+1 {
				t.Errorf("%s took %d attempts, want %d", it.Claimed.Event.ID, it.Attempts, fate[it.Claimed.Event.ID]+1)
			}
			if it.Attempts > 1 {
				retried++
			}
		}
		if retried < 40 {
			t.Errorf("only %d events were retried: the test has tried too little", retried)
		}
	})
}

// wantOrdered checks that attempts of one lane never overlapped and that no
// event was sent after a later one of its lane had been delivered.
func wantOrdered(t *testing.T, calls []deliverytest.Call) {
	t.Helper()
	ended := map[int]time.Time{}
	last := map[int]string{}
	for _, c := range calls {
		lane := delivery.LaneOf(c.Event)
		if c.At.Before(ended[lane]) {
			t.Errorf("lane %d: %s began before the attempt before it had ended", lane, c.Event.ID)
		}
		ended[lane] = c.Ended
		if c.Outcome.Verdict == event.Delivered {
			if c.Event.ID <= last[lane] {
				t.Errorf("lane %d: %s delivered after %s", lane, c.Event.ID, last[lane])
			}
			last[lane] = c.Event.ID
		}
	}
}

func TestDispatcher_AFailingEventHoldsUpItsLaneAndNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{Ordered: true, Concurrency: 4}, func(_ context.Context, e event.Event, _ int) event.Outcome {
			if e.ID == "e-00000" {
				return failed
			}
			return delivered
		})
		all := events(100, 10) // ten events a key
		r.queue.Add(all...)
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		lane, held := delivery.LaneOf(all[0]), 0
		for _, e := range all {
			if delivery.LaneOf(e) == lane {
				held++
			}
		}
		r.want(delivery.Delivered, 100-held)
		r.halt()
		r.want(delivery.Waiting, held)
	})
}

func TestDispatcher_GivesUpAfterTheLastAttemptWithGrowingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Schedule: delivery.Schedule{First: time.Second, Max: 8 * time.Second, MaxAttempts: 7}}
		r := newRig(t, cfg, always(failed))
		r.queue.Add(events(1, 0)...)
		r.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		r.halt()
		r.want(delivery.DeadState, 1)
		calls := r.dest.Calls()
		if len(calls) != 7 {
			t.Fatalf("%d attempts, want 7", len(calls))
		}
		for i := 1; i < len(calls); i++ {
			bound := min(time.Second<<(i-1), 8*time.Second)
			if wait := calls[i].At.Sub(calls[i-1].At); wait < 100*time.Millisecond || wait > bound {
				t.Errorf("wait %d is %s, want 100ms to %s", i, wait, bound)
			}
		}
		if last := r.queue.Items()[0].Last; !strings.HasPrefix(last.Reason, "gave up after 7 attempts: ") {
			t.Errorf("reason %q does not say why it gave up", last.Reason)
		}
	})
}

func TestDispatcher_WaitsAsLongAsTheDestinationAsksWithinBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ asked, want time.Duration }{
		"honoured": {90 * time.Second, 90 * time.Second},
		"bounded":  {24 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, delivery.Config{}, func(_ context.Context, _ event.Event, attempt int) event.Outcome {
					if attempt > 1 {
						return delivered
					}
					o := failed
					o.After = c.asked
					return o
				})
				r.queue.Add(events(1, 0)...)
				r.start()
				time.Sleep(25 * time.Hour)
				synctest.Wait()
				r.halt()
				r.want(delivery.Delivered, 1)
				calls := r.dest.Calls()
				if wait := calls[1].At.Sub(calls[0].At); wait < c.want || wait > c.want+time.Second {
					t.Errorf("waited %s, want %s", wait, c.want)
				}
			})
		})
	}
}

func TestDispatcher_RejectedEventsAreDeadAtOnceAndCanBeRedriven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cured := false
		r := newRig(t, delivery.Config{}, func(context.Context, event.Event, int) event.Outcome {
			if cured {
				return delivered
			}
			return event.Outcome{Verdict: event.Reject, Status: 422, Reason: "the application answered 422"}
		})
		r.queue.Add(events(3, 0)...)
		r.start()
		synctest.Wait()
		r.want(delivery.DeadState, 3)
		if n := len(r.dest.Calls()); n != 3 {
			t.Errorf("%d attempts on 3 rejected events", n)
		}
		cured = true
		if n, err := r.queue.Redrive(t.Context(), delivery.DeadFilter{Route: route}); n != 3 || err != nil {
			t.Fatalf("redrove %d, %v", n, err)
		}
		synctest.Wait()
		r.want(delivery.Delivered, 3)
		r.halt()
	})
}

func TestDispatcher_KeepsLeasesOfLongAttemptsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Concurrency: 2, Ahead: 6, Lease: time.Minute, AttemptTimeout: time.Hour}
		r := newRig(t, cfg, func(context.Context, event.Event, int) event.Outcome {
			time.Sleep(10 * time.Minute)
			return delivered
		})
		r.queue.Add(events(6, 0)...)
		r.start()
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 6)
		if n := len(r.dest.Calls()); n != 6 {
			t.Errorf("%d attempts on 6 events", n)
		}
	})
}

func TestDispatcher_ClaimsNoMoreBytesAheadThanSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{Concurrency: 2}, func(context.Context, event.Event, int) event.Outcome {
			time.Sleep(time.Second)
			return delivered
		})
		all := events(150, 0)
		for i := range all {
			all[i].Data = make([]byte, 1<<20)
		}
		all[149].Data = make([]byte, 40<<20) // more than may be claimed ahead
		r.queue.Add(all...)
		r.start()
		for range 100 {
			time.Sleep(900 * time.Millisecond)
			synctest.Wait()
			if n := r.queue.Count(delivery.InFlight); n > 32 {
				t.Fatalf("%d events of 1 MiB are claimed", n)
			}
		}
		r.want(delivery.Delivered, 150)
		r.halt()
	})
}

func TestDispatcher_SurvivesAFailingQueueWithoutLossOrTightLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{Concurrency: 4, Ahead: 8, Lease: time.Minute}, func(context.Context, event.Event, int) event.Outcome {
			time.Sleep(time.Second)
			return delivered
		})
		r.queue.Add(events(40, 0)...)
		r.start()
		time.Sleep(500 * time.Millisecond)
		r.queue.Fail(errors.New("disk full"))
		time.Sleep(10 * time.Minute) // longer than the lease
		synctest.Wait()
		if n := len(r.dest.Calls()); n > 8 {
			t.Errorf("%d events were sent while nothing could be recorded, want no more than were claimed", n)
		}
		if s := r.d.Status(); !strings.Contains(s.Why, "disk full") || s.Hint == "" {
			t.Errorf("status does not show the failing queue: %+v", s)
		}
		r.queue.Fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.d.Status(); s.Why != "" {
			t.Errorf("status after the repair: %+v", s)
		}
		r.halt()
		r.want(delivery.Delivered, 40)
	})
}

func TestDispatcher_OneBrokenDestinationCallDoesNotTakeTheProcessDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{}, func(_ context.Context, e event.Event, attempt int) event.Outcome {
			if e.ID == "e-00001" && attempt == 1 {
				panic("nil map")
			}
			return delivered
		})
		r.queue.Add(events(5, 0)...)
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 5)
		if s := r.d.Status(); s.InFlight != 0 {
			t.Errorf("status says %d in flight at rest", s.InFlight)
		}
	})
}

func TestDispatcher_RefusesASecondRunButRunsAgainAfterTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{}, always(delivered))
		if s := r.d.Status(); s.Activity != delivery.Halted {
			t.Errorf("activity before the start is %s", s.Activity)
		}
		for range 3 {
			r.start()
			synctest.Wait()
			if s := r.d.Status(); s.Activity != delivery.Running {
				t.Errorf("activity is %s", s.Activity)
			}
			if err := r.d.Run(t.Context()); err == nil {
				t.Error("a second run at the same time went through")
			}
			r.halt()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.d.Run(ctx); err != nil {
			t.Errorf("run that was stopped before it began: %v", err)
		}
		if s := r.d.Status(); s.Activity != delivery.Halted {
			t.Errorf("activity after the stop is %s", s.Activity)
		}
	})
}
