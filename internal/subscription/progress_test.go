package subscription_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// A backlog is read with its progress in sight: how fast, how long still, and how
// long the position stays good.
func TestStatus_ShowsHowCatchingUpGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{Earliest: true})
		r.start()
		defer r.halt()
		begun := time.Now()
		old := func(n int, age time.Duration) []event.Event {
			all := published(n, 60)
			for i := range all {
				all[i].Time = begun.Add(-age)
			}
			return all
		}
		r.bus.Publish(old(0, 10*time.Hour)...)
		synctest.Wait()
		time.Sleep(time.Minute)
		r.bus.Publish(old(60, 9*time.Hour)...)
		synctest.Wait()
		s := r.sub.Status()
		if s.State != subscription.CatchingUp || s.CatchUp == nil || s.Lag != 9*time.Hour+time.Minute || !s.Heard.Equal(time.Now()) {
			t.Fatalf("status %+v", s)
		}
		// One hour of the stream in a minute, nine more hours and a minute to go.
		c := s.CatchUp
		if c.Events != 60 || c.PerSecond != 1 || c.Speed != 60 || c.Left.Round(time.Second) != 550*time.Second {
			t.Errorf("progress %+v", c)
		}
		if want := 72*time.Hour - s.Lag; s.WindowLeft != want {
			t.Errorf("%s of the window left, want %s", s.WindowLeft, want)
		}
		r.bus.Publish(published(120, 1)...)
		r.wantState(subscription.Live)
		if s := r.sub.Status(); s.CatchUp != nil || s.Lag != 0 || s.WindowLeft != 72*time.Hour || s.Unstored != 0 {
			t.Errorf("status when live %+v", s)
		}
	})
}

// What was received and cannot be stored is counted.
func TestStatus_CountsWhatIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{Earliest: true})
		r.start()
		defer r.halt()
		r.journal.Fail(errors.New("disk full"))
		r.bus.Publish(published(0, 30)...)
		synctest.Wait()
		if n := r.sub.Status().Unstored; n != 30 {
			t.Errorf("%d events unstored, want 30", n)
		}
		r.journal.Fail(nil)
		time.Sleep(10 * time.Second)
		if n := r.sub.Status().Unstored; n != 0 {
			t.Errorf("%d events unstored, want none", n)
		}
	})
}
