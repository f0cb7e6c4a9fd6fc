package delivery_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// outage is a destination that is down in its own way for a while.
func outage(down event.Outcome, until time.Time) func(context.Context, event.Event, int) event.Outcome {
	return func(context.Context, event.Event, int) event.Outcome {
		time.Sleep(time.Millisecond)
		if time.Now().Before(until) {
			return down
		}
		return delivered
	}
}

func TestDispatcher_AppDownForTenMinutesLosesNothingAndBurnsNothing(t *testing.T) {
	t.Parallel()
	for name, ordered := range map[string]bool{"ordered": true, "unordered": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				up := time.Now().Add(10 * time.Minute)
				r := newRig(t, delivery.Config{Ordered: ordered, Concurrency: 16}, outage(refused, up))
				r.queue.Add(events(500, 50)...)
				r.start()
				time.Sleep(9 * time.Minute)
				synctest.Wait()
				wantPaused(t, r.d.Status())
				calls := len(r.dest.Calls())
				// 16 at first, 5 probes while the wait doubles from 1 s to 30 s, then one in
				// 15 to 30 s.
				if calls < 20 || calls > 16+6+36 {
					t.Errorf("%d attempts in nine minutes of outage", calls)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				r.want(delivery.Delivered, 500)
				if s := r.d.Status(); s.Activity != delivery.Running || s.Why != "" || !s.NextProbe.IsZero() {
					t.Errorf("after the outage: %+v", s)
				}
				r.halt()
				for _, it := range r.queue.Items() {
					if it.Attempts != 1 {
						t.Errorf("%s used up %d attempts", it.Claimed.Event.ID, it.Attempts)
					}
				}
				if ordered {
					wantOrdered(t, r.dest.Calls())
				}
			})
		})
	}
}

func wantPaused(t *testing.T, s delivery.Status) {
	t.Helper()
	if s.Activity != delivery.Paused || s.Why == "" || s.Hint != refused.Hint || s.InFlight != 0 {
		t.Errorf("status during the outage: %+v", s)
	}
	if wait := time.Until(s.NextProbe); wait < 0 || wait > 30*time.Second {
		t.Errorf("next probe in %s, want within 30s", wait)
	}
	if ago := time.Since(s.Since); ago < 8*time.Minute {
		t.Errorf("paused since %s, want since the outage began", ago)
	}
}

func TestDispatcher_AppThatAnswersOnlyErrorsIsPausedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(10 * time.Minute)
		cfg := delivery.Config{Concurrency: 16, Schedule: delivery.Schedule{MaxAttempts: 8}}
		r := newRig(t, cfg, outage(failed, up))
		r.queue.Add(events(500, 0)...)
		r.start()
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if s := r.d.Status(); s.Activity != delivery.Paused {
			t.Errorf("status: %+v", s)
		}
		if calls := len(r.dest.Calls()); calls > 36+6+40 {
			t.Errorf("%d attempts in nine minutes of errors", calls)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 500)
	})
}

func TestDispatcher_WaitNamedByTheDestinationPausesTheRoute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := busy
		slow.After = 2 * time.Minute
		began := time.Now()
		r := newRig(t, delivery.Config{Concurrency: 1}, outage(slow, began.Add(time.Second)))
		r.queue.Add(events(50, 0)...)
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls := len(r.dest.Calls()); calls != 1 {
			t.Errorf("%d attempts before the named time, want 1", calls)
		}
		time.Sleep(62 * time.Second)
		synctest.Wait()
		r.want(delivery.Delivered, 50)
		r.halt()
	})
}

func TestDispatcher_AnEventThatBringsTheAppDownEndsAsADeadLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Ordered: true, Concurrency: 4, Schedule: delivery.Schedule{MaxAttempts: 4, Max: time.Minute}}
		r := newRig(t, cfg, func(_ context.Context, e event.Event, _ int) event.Outcome {
			time.Sleep(time.Millisecond)
			if e.ID == "e-00003" {
				return busy
			}
			return delivered
		})
		r.start()
		for _, e := range events(300, 0) { // traffic goes on
			r.queue.Add(e)
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 299)
		r.want(delivery.DeadState, 1)
	})
}

func TestDispatcher_ProbesWithWhateverArrivesWhenNothingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(time.Minute)
		cfg := delivery.Config{Concurrency: 8, Schedule: delivery.Schedule{MaxAge: time.Millisecond}}
		r := newRig(t, cfg, outage(refused, up))
		r.queue.Add(events(8, 0)...)
		r.start()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		r.want(delivery.DeadState, 8) // too old to be given back
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s := r.d.Status(); s.Activity != delivery.Paused {
			t.Errorf("status without a probe: %+v", s)
		}
		calls := len(r.dest.Calls())
		r.queue.Add(event.Event{ID: "late", Route: route})
		synctest.Wait()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		r.want(delivery.Delivered, 1)
		if n := len(r.dest.Calls()) - calls; n != 1 {
			t.Errorf("%d attempts on the late event", n)
		}
		r.halt()
	})
}

func TestDispatcher_WithoutABreakerAnOutageUsesUpAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Breaker: delivery.BreakerConfig{Consecutive: -1}, Schedule: delivery.Schedule{MaxAttempts: 3}}
		r := newRig(t, cfg, always(refused))
		r.queue.Add(events(50, 0)...)
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.want(delivery.DeadState, 50)
		if n := len(r.dest.Calls()); n != 150 {
			t.Errorf("%d attempts, want 150", n)
		}
		if s := r.d.Status(); s.Activity != delivery.Running {
			t.Errorf("status: %+v", s)
		}
		r.halt()
	})
}
