package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
)

func TestClock_RealTimePassesAndOffsetAdds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := clock.New()
		timer := c.NewTimer(10 * time.Minute)
		c.Advance(9 * time.Minute)
		select {
		case <-timer.C:
			t.Fatal("fired a minute early")
		default:
		}
		<-timer.C // the last minute passes in real time
		if real := time.Since(start); real != time.Minute {
			t.Errorf("waited %v of real time, want 1m", real)
		}
		if got := c.Now().Sub(start); got != 10*time.Minute {
			t.Errorf("org time moved by %v, want 10m", got)
		}
	})
}

func TestClock_AdvanceFiresEverythingDueInOrder(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Unix(1_000_000, 0))
	var order []int
	for _, minutes := range []int{5, 1, 3, 90} {
		c.AfterFunc(time.Duration(minutes)*time.Minute, func() { order = append(order, minutes) })
	}
	c.Advance(time.Hour)
	if len(order) != 3 || order[0] != 1 || order[1] != 3 || order[2] != 5 {
		t.Errorf("fired %v, want [1 3 5]", order)
	}
	if c.Pending() != 1 {
		t.Errorf("Pending() = %d, want 1", c.Pending())
	}
}

func TestClock_MovedBackWaitsLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := clock.New()
		timer := c.NewTimer(time.Minute)
		c.Advance(-time.Minute)
		<-timer.C
		if real := time.Since(start); real != 2*time.Minute {
			t.Errorf("waited %v of real time, want 2m", real)
		}
	})
}

func TestTimer_StopAndReset(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Unix(0, 0))
	timer := c.NewTimer(time.Second)
	if !timer.Stop() || timer.Stop() {
		t.Error("Stop must report true once")
	}
	c.Advance(time.Minute)
	timer.Reset(time.Second)
	select {
	case <-timer.C:
		t.Fatal("a stopped timer fired")
	default:
	}
	c.Advance(time.Second)
	<-timer.C
}

func TestTicker_TicksUntilStopped(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Unix(0, 0))
	ticker := c.NewTicker(time.Second)
	for range 3 {
		c.Advance(time.Second)
		<-ticker.C
	}
	ticker.Stop()
	c.Advance(time.Hour)
	select {
	case <-ticker.C:
		t.Fatal("a stopped ticker ticked")
	default:
	}
}

func TestClock_SleepEndsWithTheContext(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Unix(0, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep = %v, want context.Canceled", err)
	}
	if c.Pending() != 0 {
		t.Error("Sleep left its timer behind")
	}
}

func TestClock_SetMovesToAnInstant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		target := time.Now().Add(72 * time.Hour)
		timer := c.NewTimer(71 * time.Hour)
		c.Set(target)
		<-timer.C
		if !c.Now().Equal(target) {
			t.Errorf("Now() = %v, want %v", c.Now(), target)
		}
	})
}
