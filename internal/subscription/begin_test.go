package subscription_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// A subscription that began at the tip and was cut off before anything came goes on
// from when it began: nothing older, nothing missed.
func TestSubscriber_ATipIsNotTakenTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.bus.Publish(published(0, 3)...)
		time.Sleep(time.Hour)
		r.start()
		r.wantState(subscription.Live)
		if at := r.sub.Status().EventTime; !at.IsZero() {
			t.Errorf("an event of %s is shown although none was read", at)
		}
		r.bus.Break(errors.New("reset"))
		missed := published(3, 2)
		r.bus.Publish(missed...) // while the connection is down
		time.Sleep(10 * time.Second)
		r.wantStored("orders", missed)
		r.halt()
		if starts := r.bus.Opens(); starts[0].Earliest || !starts[len(starts)-1].Earliest {
			t.Errorf("streams began at %+v", starts)
		}
		if cp, err := r.journal.Checkpoint(t.Context(), topic); err != nil || cp.Position == nil {
			t.Errorf("checkpoint %+v, %v", cp, err)
		}
	})
}

// The same over a restart, with the beginning longer ago than the source retains
// events: that may have cost some, so it is a gap.
func TestSubscriber_AnUnknownPositionThatIsTooOldIsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		r.halt()
		began := time.Now()
		time.Sleep(80 * time.Hour)
		kept := published(0, 2)
		r.bus.Publish(kept...)
		r = r.with(subscription.Config{})
		r.start()
		r.wantStored("orders", kept)
		r.halt()
		g := onlyGap(t, r)
		if g.Cause != "position-unknown" || g.State != subscription.GapLost || !g.From.Equal(began.UTC()) || !g.Until.Equal(kept[0].Time) {
			t.Errorf("gap %+v", g)
		}
	})
}

// A source that tells no position for what it sent is read again from the last
// event on; what is older or was had does not come twice.
func TestSubscriber_GoesOnByTimeWithoutAPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{Earliest: true})
		first := published(0, 3)
		r.journal.Seed(topic, subscription.Checkpoint{EventTime: time.Now()})
		time.Sleep(time.Hour)
		second := published(3, 3)
		r.bus.Publish(append(append([]event.Event{{ID: "old", Time: time.Now().Add(-3 * time.Hour)}}, first...), second...)...)
		r.start()
		r.wantStored("orders", append(first, second...))
		r.halt()
		if gaps, err := r.journal.Gaps(t.Context(), topic); err != nil || len(gaps) != 0 {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
	})
}
