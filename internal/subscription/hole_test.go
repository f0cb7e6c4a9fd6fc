package subscription_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// moved is an outage whose refill is under way when the org moves and drops what it
// retains, events published since the refill read included: those are in neither.
func moved(r *refillRig, dropped int) (before, kept []event.Event) {
	before, _ = r.outage(20)
	release := r.refiller.Hold()
	r.start()
	synctest.Wait()
	time.Sleep(time.Minute)
	r.bus.Publish(published(30, dropped)...)
	r.bus.Migrate()
	kept = published(30+dropped, 5)
	r.bus.Publish(kept...)
	r.bus.Expire(5)
	r.missing = append(slices.Clone(r.missing), refilledFrom(20, dropped)...)
	release()
	return before, kept
}

func refilledFrom(from, n int) []event.Event { return refilled(from + n)[from:] }

func TestRefill_IsRepeatedWhenTheSourceDropsEventsMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := moved(r, 7)
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		r.wantState(subscription.Live)
		spans, _ := r.refiller.Asked()
		if len(spans) != 2 || !spans[1].From.After(spans[0].From) || spans[1].Until.Before(kept[0].Time) {
			t.Errorf("asked for %v", spans)
		}
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Refilled != 27 {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

// Events of the span, unlike states, are wanted up to the first one that is retained.
func TestRefill_OfPublishedEventsGoesOnWhereTheOldestHaveAgedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.refiller.Published = true
		before, kept := r.outage(20)
		release := r.refiller.Hold()
		r.start()
		synctest.Wait()
		r.bus.Expire(4)
		aged := kept[:6]
		r.missing = append(slices.Clone(r.missing), aged...)
		release()
		r.wantStored("orders", slices.Concat(before, r.missing, kept[6:]))
		if spans, _ := r.refiller.Asked(); len(spans) != 2 || !spans[1].Until.After(kept[6].Time) {
			t.Errorf("asked for %v", spans)
		}
		r.halt()
	})
}

// A source whose every look shows other events, which none of the readings covers,
// does not keep the stream for ever; what may be missing is said.
func TestRefill_ThatNeverEndsUnbrokenLeavesALostSpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.outage(3)
		var readings atomic.Int64
		r.refiller.OnRefill(func() {
			n := int(readings.Add(1))
			time.Sleep(time.Second)
			r.bus.Publish(published(30+n, 1)...)
			r.bus.Expire(1)
		})
		r.start()
		time.Sleep(time.Minute)
		r.wantState(subscription.Live)
		g := r.onlyGap()
		if g.State != subscription.GapLost || !strings.Contains(g.Detail, "5 times") || g.From.After(g.Until) || readings.Load() != 5 {
			t.Errorf("after %d readings, gap: %+v", readings.Load(), g)
		}
		r.halt()
	})
}

// A keep-alive's position holds the place while what is missing is read: the next
// stream goes on from there, and a refusal of it is a hole of its own.
func TestRefill_OfAQuietTopicHoldsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.bus.KeepAlive = time.Minute
		r.journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		r.missing = refilled(3)
		release := r.refiller.Hold()
		r.start()
		time.Sleep(2 * time.Minute)
		r.bus.Publish(published(0, 4)...)
		r.bus.Expire(0)
		r.bus.Migrate()
		kept := published(4, 1)
		r.bus.Publish(kept...)
		r.bus.Expire(1)
		synctest.Wait()
		r.missing = refilled(7)
		release()
		time.Sleep(3 * time.Minute)
		r.wantStored("orders", slices.Concat(r.missing, kept))
		gaps, err := r.journal.Gaps(t.Context(), topic)
		if err != nil || len(gaps) != 2 || gaps[0].State != subscription.GapRefilled || gaps[1].State != subscription.GapRefilled {
			t.Errorf("gaps: %+v, %v", gaps, err)
		}
		r.halt()
	})
}

// Over CometD a quiet topic tells no position. What came and was dropped before the
// stream went on is read again once it has.
func TestRefill_OfATopicThatTellsNoPositionIsConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.bus.KeepAlive, r.bus.Silent = time.Minute, true
		r.journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		r.missing = refilled(3)
		release := r.refiller.Hold()
		r.start()
		time.Sleep(2 * time.Minute)
		r.bus.Publish(published(0, 4)...)
		r.bus.Migrate()
		r.bus.Expire(0)
		synctest.Wait()
		release()
		time.Sleep(5 * time.Minute)
		r.wantStored("orders", r.missing[:3])
		kept := published(4, 2)
		r.missing = refilled(9)
		r.bus.Publish(kept...)
		r.wantStored("orders", slices.Concat(r.missing, kept))
		if g := r.onlyGap(); g.State != subscription.GapRefilled {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

// A refill that was put off is still due when the position is refused once more.
func TestRefill_PutOffOutlivesAnotherRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(30)
		r.refiller.Fail(&event.Error{Op: "reserve", Healing: event.Throttled, After: 5 * time.Hour})
		r.start()
		r.wantStored("orders", slices.Concat(before, kept))
		r.bus.Migrate()
		r.bus.Break(event.ErrPositionRefused)
		time.Sleep(time.Hour)
		if g := r.onlyGap(); g.State != subscription.GapRefilling {
			t.Errorf("gap before the refill: %+v", g)
		}
		time.Sleep(5 * time.Hour)
		r.wantStored("orders", slices.Concat(before, kept, r.missing))
		if g := r.onlyGap(); g.State != subscription.GapRefilled {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}
