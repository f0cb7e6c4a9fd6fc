package subscription_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func TestSubscriber_AnExpiredPositionLeavesAGapWithItsSpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		before := published(0, 10)
		r.bus.Publish(before...)
		synctest.Wait()
		r.halt()
		time.Sleep(80 * time.Hour)
		missed := published(10, 10)
		r.bus.Publish(missed...)
		time.Sleep(time.Hour)
		kept := published(20, 10)
		r.bus.Publish(kept...)
		r.bus.Expire(10)
		r.start()
		r.wantStored("orders", slices.Concat(before, kept))
		r.wantState(subscription.Live)
		g := onlyGap(t, r)
		if g.State != subscription.GapLost || g.Cause != "position-expired" ||
			!g.From.Equal(before[9].Time) || !g.Until.Equal(kept[0].Time) || g.Closed.IsZero() {
			t.Errorf("gap: %+v", g)
		}
		if !strings.Contains(g.Detail, "SystemModstamp") {
			t.Errorf("detail %q does not say what can be done", g.Detail)
		}
		if s := r.sub.Status(); s.OpenGaps != 0 {
			t.Errorf("status still shows %d open gaps", s.OpenGaps)
		}
		for _, o := range r.bus.Opens()[2:] {
			if !o.Earliest {
				t.Errorf("after the refusal the stream began at %+v, want the earliest event", o)
			}
		}
		r.halt()
	})
}

func TestSubscriber_ACorruptPositionWithAllEventsRetainedLosesAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{Recent: 10})
		r.start()
		all := published(0, 500)
		r.bus.Publish(all[:400]...)
		synctest.Wait()
		r.halt()
		r.bus.Migrate()
		r.bus.Publish(all[400:]...)
		r.start()
		r.wantStored("orders", all)
		g := onlyGap(t, r)
		if g.State != subscription.GapRefilled || g.Cause != "position-corrupted" || g.Refilled != 0 {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

func TestSubscriber_RecoversWhileTheTopicIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.bus.KeepAlive = time.Minute
		r.journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		r.start()
		r.wantState(subscription.Recovering)
		if s := r.sub.Status(); s.OpenGaps != 1 {
			t.Errorf("status shows %d open gaps, want 1", s.OpenGaps)
		}
		time.Sleep(2 * time.Minute)
		r.wantState(subscription.Live)
		if g := onlyGap(t, r); g.State != subscription.GapLost || g.Until.IsZero() {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

func TestSubscriber_ARestartDuringRecoveryDoesNotOpenASecondGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		for range 3 {
			r.start()
			r.wantState(subscription.Recovering)
			r.halt()
			time.Sleep(time.Minute)
		}
		r.start()
		all := published(0, 5)
		r.bus.Publish(all...)
		r.wantStored("orders", all)
		if g := onlyGap(t, r); g.State != subscription.GapLost {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

// Over CometD a position is told some time after the events. What the source drops
// before that, once the gap has ended, is a gap of its own.
func TestSubscriber_WhatIsDroppedBeforeAPositionIsToldIsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.bus.Silent = true
		r.journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		r.start()
		before := published(0, 3)
		r.bus.Publish(before...)
		r.wantStored("orders", before)
		r.bus.Break(errors.New("reset")) // and nothing is dropped
		time.Sleep(time.Minute)
		onlyGap(t, r)
		r.bus.Break(errors.New("reset"))
		r.bus.Publish(published(3, 4)...)
		time.Sleep(time.Millisecond)
		kept := published(7, 2)
		r.bus.Publish(kept...)
		r.bus.Expire(2)
		time.Sleep(time.Minute)
		r.wantStored("orders", slices.Concat(before, kept))
		gaps, err := r.journal.Gaps(t.Context(), topic)
		if err != nil || len(gaps) != 2 || gaps[0].State != subscription.GapLost || !gaps[0].From.Equal(before[2].Time) || !gaps[0].Until.Equal(kept[0].Time) {
			t.Errorf("gaps: %+v, %v", gaps, err)
		}
		r.halt()
	})
}

func onlyGap(t *testing.T, r *rig) subscription.Gap {
	t.Helper()
	gaps, err := r.journal.Gaps(t.Context(), topic)
	if err != nil || len(gaps) != 1 {
		t.Fatalf("%d gaps (%v), want 1", len(gaps), err)
	}
	return gaps[0]
}

// A source that cuts a stream every few seconds, and serves it in between, is not
// left alone for longer and longer.
func TestSubscriber_CutAgainAndAgainItComesBackSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		r.start()
		all := published(0, 30)
		for i := range all {
			r.bus.Publish(all[i])
			r.wantStored("orders", all[:i+1])
			time.Sleep(8 * time.Second)
			r.bus.Break(errors.New("reset"))
			time.Sleep(8 * time.Second)
			if r.bus.Streams() != 1 {
				t.Fatalf("8 s after cut %d there is no stream: %+v", i+1, r.sub.Status())
			}
		}
		r.halt()
	})
}
