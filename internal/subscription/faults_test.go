package subscription_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func TestSubscriber_ReconnectsAfterTheLastStoredEventWithGrowingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		all := published(0, 10)
		r.bus.Publish(all...)
		synctest.Wait()
		r.bus.FailOpen(errors.New("no route to host"))
		r.bus.Break(errors.New("reset"))
		time.Sleep(30 * time.Minute)
		r.wantState(subscription.Connecting)
		s := r.sub.Status()
		if wait := time.Until(s.NextTry); s.Why == "" || wait < 0 || wait > time.Minute {
			t.Errorf("status while away: %+v", s)
		}
		if n := len(r.bus.Opens()); n < 30 || n > 120 {
			t.Errorf("%d connections in half an hour, want about one a minute or half", n)
		}
		r.bus.FailOpen(nil)
		time.Sleep(time.Minute)
		all = append(all, published(10, 10)...)
		r.bus.Publish(all[10:]...)
		r.wantStored("orders", all)
		r.wantState(subscription.Live)
		if s := r.sub.Status(); s.Reconnects == 0 || s.Why != "" || !s.NextTry.IsZero() {
			t.Errorf("status after the return: %+v", s)
		}
		r.halt()
	})
}

func TestSubscriber_AFlappingStreamDoesNotResetTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		for i := range 600 { // each stream serves one event and dies
			r.bus.Publish(published(i, 1)...)
			synctest.Wait()
			r.bus.Break(errors.New("reset"))
			time.Sleep(time.Second)
		}
		r.halt()
		if n := len(r.bus.Opens()); n > 60 {
			t.Errorf("%d connections in ten minutes of flapping", n)
		}
	})
}

func TestSubscriber_AFailureForAPersonIsShownAndTriedSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.bus.FailOpen(&event.Error{
			Op: "open subscribe stream", Healing: event.Permanent, Hint: "grant the permission", Err: errors.New("permission denied"),
		})
		r.start()
		time.Sleep(time.Hour)
		r.wantState(subscription.Failed)
		if s := r.sub.Status(); s.Hint != "grant the permission" || time.Since(s.Since) != time.Hour {
			t.Errorf("status: %+v", s)
		}
		if n := len(r.bus.Opens()); n < 12 || n > 13 {
			t.Errorf("%d connections in an hour, want one in five minutes", n)
		}
		r.bus.FailOpen(nil)
		time.Sleep(5*time.Minute + 6*time.Second)
		r.wantState(subscription.CatchingUp) // from when it first wanted events
		r.bus.Publish(published(0, 1)...)
		r.wantState(subscription.Live)
		r.halt()
	})
}

func TestSubscriber_WaitsAsLongAsAThrottlingSourceAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.bus.FailOpen(&event.Error{Op: "subscribe", Healing: event.Throttled, After: time.Hour, Err: errors.New("limit exceeded")})
		r.start()
		time.Sleep(59 * time.Minute)
		if n := len(r.bus.Opens()); n != 1 {
			t.Errorf("%d connections within the hour asked for", n)
		}
		r.halt()
	})
}

func TestSubscriber_WatchdogReconnectsASilentStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		time.Sleep(299 * time.Second)
		if n := len(r.bus.Opens()); n != 1 {
			t.Fatalf("%d connections after 299s of silence", n)
		}
		time.Sleep(2 * time.Second)
		if n := len(r.bus.Opens()); n != 2 {
			t.Errorf("%d connections after 301s of silence, want 2", n)
		}
		r.halt()
	})
}

func TestSubscriber_TellsABacklogFromLiveEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		r.wantState(subscription.Live)
		old := published(0, 1)
		time.Sleep(2 * time.Minute)
		r.bus.Publish(old...)
		r.wantState(subscription.CatchingUp)
		r.bus.Publish(published(1, 1)...)
		r.wantState(subscription.Live)
		r.halt()
	})
}
