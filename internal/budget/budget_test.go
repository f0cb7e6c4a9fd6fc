package budget_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBudget(t *testing.T, cfg budget.Config) *budget.Budget {
	t.Helper()
	if cfg.Patience == 0 {
		cfg.Patience = -1
	}
	b, err := budget.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refusal is when a refused caller may ask again; it fails the test if the
// caller was allowed.
func refusal(t *testing.T, err error) time.Duration {
	t.Helper()
	e, ok := errors.AsType[*event.Error](err)
	if !ok || e.Healing != event.Throttled || e.After <= 0 || e.Hint == "" {
		t.Fatalf("not refused as it should be: %v", err)
	}
	return e.After
}

func TestReserve_CutsPrioritiesOffFromTheLeastUrgent(t *testing.T) {
	t.Parallel()
	b := newBudget(t, budget.Config{Floor: 50, Ceiling: 100})
	for used, open := range map[int64]int{0: 6, 499: 6, 500: 5, 599: 5, 600: 4, 700: 3, 800: 2, 900: 1, 999: 1, 1000: 0, 1200: 0} {
		b.Observe(used, 1000)
		n := 0
		for _, l := range b.Status().Priorities {
			if l.Open {
				n++
			}
		}
		if n != open || n < 6 && b.Status().Priorities[n].Open {
			t.Errorf("at %d of 1000 %d priorities may go on, want %d", used, n, open)
		}
	}
}

func TestReserve_CountsWhatItAllowedBeforeTheOrgSaysSo(t *testing.T) {
	t.Parallel()
	b := newBudget(t, budget.Config{Floor: 50, Ceiling: 90})
	b.Observe(400, 1000)
	if err := b.Reserve(t.Context(), budget.Compare, 100); err != nil {
		t.Fatal(err)
	}
	refusal(t, b.Reserve(t.Context(), budget.Compare, 1))
	if err := b.Reserve(t.Context(), budget.Interactive, 400); err != nil {
		t.Fatal(err)
	}
	refusal(t, b.Reserve(t.Context(), budget.Interactive, 1))
	b.Observe(450, 1000) // not all of it was used
	if err := b.Reserve(t.Context(), budget.Compare, 50); err != nil {
		t.Error(err)
	}
	s := b.Status()
	if s.Own != 550 || s.Priorities[budget.Compare].Used != 150 || s.Priorities[budget.Compare].Refused != 1 || s.Used != 500 {
		t.Errorf("status: %+v", s)
	}
}

func TestReserve_AllowsAllWhileNothingIsKnown(t *testing.T) {
	t.Parallel()
	b := newBudget(t, budget.Config{})
	if err := b.Reserve(t.Context(), budget.Compare, 1e6); err != nil {
		t.Error(err)
	}
	b.Observe(-1, 10)
	b.Observe(5, 0)
	if s := b.Status(); s.Max != 0 {
		t.Errorf("believes nonsense: %+v", s)
	}
}

// Whoever is refused is told when what was used falls out of the 24 hours.
func TestReserve_SaysWhenThereIsRoomAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, budget.Config{Floor: 50, Ceiling: 50, LongestWait: 48 * time.Hour})
		b.Observe(0, 1000)
		b.Observe(400, 1000)
		time.Sleep(6 * time.Hour)
		b.Observe(500, 1000)
		after := refusal(t, b.Reserve(t.Context(), budget.Refill, 10))
		if after < 17*time.Hour+50*time.Minute || after > 18*time.Hour+11*time.Minute {
			t.Errorf("room after %s, want about 18 h", after)
		}
		if after = refusal(t, b.Reserve(t.Context(), budget.Refill, 450)); after < 23*time.Hour+50*time.Minute {
			t.Errorf("room for more after %s, want about 24 h", after)
		}
		time.Sleep(24 * time.Hour)
		if err := b.Reserve(t.Context(), budget.Refill, 10); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

func TestReserve_WaitsForRoomWithinItsPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, budget.Config{Floor: 50, Ceiling: 50, Patience: time.Hour, LongestWait: time.Minute})
		b.Observe(500, 1000)
		began := time.Now()
		go func() {
			time.Sleep(10*time.Minute + time.Second)
			b.Observe(100, 1000)
		}()
		if err := b.Reserve(t.Context(), budget.Refill, 10); err != nil || time.Since(began) != 11*time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		b.Observe(500, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer cancel()
		if err := b.Reserve(ctx, budget.Refill, 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestReserve_StopsWhenTheOrgRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, budget.Config{})
		b.Observe(10, 1000)
		b.Exhausted()
		if after := refusal(t, b.Reserve(t.Context(), budget.Interactive, 1)); after != time.Hour {
			t.Errorf("asks again after %s", after)
		}
		b.Observe(11, 1000)
		if err := b.Reserve(t.Context(), budget.Interactive, 1); err != nil {
			t.Errorf("the org answers again: %v", err)
		}
		b.Exhausted()
		time.Sleep(time.Hour)
		if err := b.Reserve(t.Context(), budget.Interactive, 1); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

func TestReserve_KeepsToItsShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, budget.Config{Share: 10})
		b.Observe(0, 1000)
		if err := b.Reserve(t.Context(), budget.Events, 100); err != nil {
			t.Fatal(err)
		}
		refusal(t, b.Reserve(t.Context(), budget.Interactive, 1))
		time.Sleep(24*time.Hour + 10*time.Minute)
		if err := b.Reserve(t.Context(), budget.Interactive, 1); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

func TestStatus_ForecastsWhenTheDayRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, budget.Config{})
		b.Observe(100, 1000)
		if s := b.Status(); !s.RunsOut.IsZero() {
			t.Errorf("runs out at %s without a pace", s.RunsOut)
		}
		for i := range 6 {
			time.Sleep(10 * time.Minute)
			b.Observe(100+int64(i+1)*50, 1000)
		}
		s := b.Status()
		if s.PerHour != 300 || !s.RunsOut.Equal(time.Now().Add(2*time.Hour)) {
			t.Errorf("status %+v, want 300 an hour and two hours left", s)
		}
	})
}

func TestReserve_NeverGoesOverUnderLoad(t *testing.T) {
	t.Parallel()
	b := newBudget(t, budget.Config{Floor: 50, Ceiling: 50})
	b.Observe(0, 1000)
	var allowed [8]int
	var wg sync.WaitGroup
	for i := range allowed {
		wg.Go(func() {
			for range 200 {
				if b.Reserve(context.Background(), budget.Refill, 1) == nil {
					allowed[i]++
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range allowed {
		sum += n
	}
	if sum != 500 {
		t.Errorf("%d allowed, want 500", sum)
	}
}

func TestConfig_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := budget.New(budget.Config{Floor: 90, Ceiling: 80, Share: 101, LongestWait: -1})
	for _, want := range []string{"share", "above the ceiling", "longest wait"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no mention of %q: %v", want, err)
		}
	}
}
