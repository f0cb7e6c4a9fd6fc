package delivery_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func TestDispatcher_StopLetsAttemptsEndAndGivesBackTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{Ordered: true, Concurrency: 4, Run: 4}, func(context.Context, event.Event, int) event.Outcome {
			time.Sleep(5 * time.Second)
			return delivered
		})
		r.queue.Add(events(100, 20)...)
		r.start()
		time.Sleep(6 * time.Second) // the second event of each lane is under way
		if took := r.halt(); took != 4*time.Second {
			t.Errorf("stop took %s, want the 4s that the attempts still needed", took)
		}
		r.want(delivery.Delivered, 8)
		r.want(delivery.InFlight, 0)
		r.want(delivery.Waiting, 92)
		for _, it := range r.queue.Items() {
			if it.State == delivery.Waiting && (it.Attempts != 0 || it.Claimed.Redelivery) {
				t.Errorf("%s was given back with %d attempts, redelivery %t", it.Claimed.Event.ID, it.Attempts, it.Claimed.Redelivery)
			}
		}
	})
}

func TestDispatcher_StopCutsOffAttemptsAfterTheDrainTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Concurrency: 3, DrainTimeout: 7 * time.Second, AttemptTimeout: time.Hour, Schedule: delivery.Schedule{MaxAttempts: 1}}
		r := newRig(t, cfg, func(ctx context.Context, _ event.Event, _ int) event.Outcome {
			<-ctx.Done()
			return event.Outcome{Verdict: event.Retry, Reason: "cancelled"}
		})
		r.queue.Add(events(20, 0)...)
		r.start()
		time.Sleep(time.Second)
		if took := r.halt(); took != 7*time.Second {
			t.Errorf("stop took %s, want the drain timeout of 7s", took)
		}
		r.want(delivery.InFlight, 0)
		r.want(delivery.Waiting, 20) // not dead, although it was the only attempt allowed
		counted := 0
		for _, it := range r.queue.Items() {
			counted += it.Attempts
		}
		if counted != 3 {
			t.Errorf("%d attempts counted, want the 3 whose end is unknown", counted)
		}
	})
}

func TestDispatcher_StopIsBoundedWhenTheQueueIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{Concurrency: 2}, func(context.Context, event.Event, int) event.Outcome {
			time.Sleep(time.Second)
			return delivered
		})
		r.queue.Add(events(20, 0)...)
		r.start()
		time.Sleep(500 * time.Millisecond)
		r.queue.Fail(errors.New("gone"))
		if took := r.halt(); took > 4*time.Second {
			t.Errorf("stop took %s, want at most the attempt and the settle timeout", took)
		}
		r.queue.Fail(nil)
		time.Sleep(2 * time.Minute)
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 20)
		redelivered := 0
		for _, it := range r.queue.Items() {
			redelivered += it.Redelivery
		}
		if redelivered == 0 {
			t.Error("no redelivery was counted, though answers went unrecorded")
		}
	})
}

func TestDispatcher_StopWhilePaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, delivery.Config{}, always(refused))
		r.queue.Add(events(20, 0)...)
		r.start()
		time.Sleep(5 * time.Minute)
		if took := r.halt(); took > 0 {
			t.Errorf("stop took %s", took)
		}
		r.want(delivery.Waiting, 20)
		if s := r.d.Status(); s.Activity != delivery.Halted {
			t.Errorf("status: %+v", s)
		}
	})
}
