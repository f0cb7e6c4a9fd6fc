package scale_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// world is what a scaler sees and does, in a bubble's time.
type world struct {
	mu    sync.Mutex // guards all
	now   int
	asked []int
	err   error
	load  scale.Load
	lead  bool
}

func (w *world) Quantity(context.Context, string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.err
}

// scaled is what has been asked for.
func (w *world) scaled() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) Scale(_ context.Context, _ string, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.asked, w.now = append(w.asked, n), n
	}
	return w.err
}

func (w *world) Hold(context.Context, time.Duration) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lead, nil
}

func (w *world) Yield(context.Context) error { return nil }

// begin runs a scaler of 1 to 6 workers, of which each takes one event at a time, for
// events of a second at full use: so many events a second are so many workers.
func begin(t *testing.T, w *world, change func(*scale.Config)) *scale.Scaler {
	t.Helper()
	cfg := scale.Config{
		Targets: []scale.Target{{Process: "worker", Floor: 1, Ceiling: 6, Routes: []string{"orders"}}},
		Policy:  scale.Policy{Utilisation: 1}, Every: 10 * time.Second, UpAfter: time.Minute, DownAfter: 10 * time.Minute, CoolDown: 3 * time.Minute,
	}
	if change != nil {
		change(&cfg)
	}
	w.load.Route, w.load.Service = "orders", 1
	s, err := scale.New(cfg, scale.Deps{
		Loads: func(context.Context) ([]scale.Load, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return []scale.Load{w.load, {Route: "others", Arrivals: 100, Service: 100}}, nil
		}, Formation: w, Lead: w, Log: testkit.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestScaler_FollowsWhatLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{now: 2, lead: true}
		w.load.Arrivals = 2
		s := begin(t, w, nil)
		pass(5 * time.Minute)
		w.set(func() { w.load.Arrivals = 5 }) // a spike
		pass(50 * time.Second)
		w.set(func() { w.load.Arrivals = 2 })
		pass(5 * time.Minute)
		if len(w.scaled()) != 0 {
			t.Fatalf("a spike has scaled to %v", w.scaled())
		}
		w.set(func() { w.load.Arrivals = 6 }) // lasts, but 4 is what every look agrees to
		pass(20 * time.Second)
		w.set(func() { w.load.Arrivals = 4 })
		pass(50 * time.Second)
		if !slices.Equal(w.scaled(), []int{4}) {
			t.Fatalf("scaled to %v, want 4", w.scaled())
		}
		w.set(func() { w.load.Arrivals = 100 }) // at once after that: cool, then the ceiling
		pass(2 * time.Minute)
		if len(w.scaled()) != 1 {
			t.Fatalf("scaled to %v while it cools", w.scaled())
		}
		if why := s.Status()[0].Why; !strings.Contains(why, "nothing is changed for another") {
			t.Errorf("why: %s", why)
		}
		pass(90 * time.Second)
		if !slices.Equal(w.scaled(), []int{4, 6}) {
			t.Fatalf("scaled to %v, want the ceiling", w.scaled())
		}
		w.set(func() { w.load.Arrivals, w.load.Waiting = 0, 0 })
		pass(9 * time.Minute)
		if len(w.scaled()) != 2 {
			t.Fatalf("scaled down to %v too early", w.scaled())
		}
		w.set(func() { w.load.Arrivals = 3 }) // short of nothing, but more than before: down to what was wanted most
		pass(20 * time.Second)
		w.set(func() { w.load.Arrivals = 0 })
		pass(time.Minute)
		if !slices.Equal(w.scaled(), []int{4, 6, 3}) {
			t.Fatalf("scaled to %v, want 3", w.scaled())
		}
		pass(14 * time.Minute)
		if !slices.Equal(w.scaled(), []int{4, 6, 3, 1}) {
			t.Fatalf("scaled to %v, want the floor", w.scaled())
		}
		pass(time.Hour)
		if len(w.scaled()) != 4 {
			t.Fatalf("scaled below the floor: %v", w.scaled())
		}
	})
}

// What is not known or fails is no reason to change anything.
func TestScaler_LeavesAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		world  *world
		change func(*scale.Config)
		why    string
	}{
		"the application is down":  {world: &world{now: 2, lead: true, load: scale.Load{Arrivals: 6, Paused: true, Why: "refused"}}, why: "refused"},
		"the application fails":    {world: &world{now: 2, lead: true, load: scale.Load{Arrivals: 6, Attempts: 20, Failed: 19}}, why: "19 of 20"},
		"switched off by a person": {world: &world{now: 0, lead: true, load: scale.Load{Arrivals: 6}}, why: "switched off"},
		"another process acts":     {world: &world{now: 2, load: scale.Load{Arrivals: 6}}, why: "another process acts"},
		"a refusal": {
			world: &world{now: 2, lead: true, load: scale.Load{Arrivals: 6}, err: &event.Error{Op: "ask", Err: errors.New("401"), Hint: "heroku.token"}}, why: "401",
		},
		"no route of its": {
			world:  &world{now: 2, lead: true, load: scale.Load{Arrivals: 6}},
			change: func(c *scale.Config) { c.Targets[0].Routes = []string{"gone"} }, why: "no route is measured",
		},
		"a dry run": {
			world:  &world{now: 2, lead: true, load: scale.Load{Arrivals: 6}},
			change: func(c *scale.Config) { c.DryRun, c.CoolDown = true, 20*time.Minute }, why: "would have scaled from 2 to 6",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := c.world
				s := begin(t, w, c.change)
				said := ""
				for range 120 {
					pass(10 * time.Second)
					said += s.Status()[0].Why + "\n"
				}
				if len(w.scaled()) > 0 || !strings.Contains(said, c.why) {
					t.Errorf("scaled to %v, said %s", w.scaled(), s.Status()[0].Why)
				}
			})
		})
	}
}

// Who takes the lead over begins with the pause that follows a change.
func TestScaler_TakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{now: 2}
		w.load.Arrivals = 6
		s := begin(t, w, nil)
		pass(time.Hour)
		w.set(func() { w.lead = true })
		pass(2 * time.Minute)
		if len(w.scaled()) > 0 {
			t.Fatalf("scaled at once: %v", w.scaled())
		}
		pass(90 * time.Second)
		if !slices.Equal(w.scaled(), []int{6}) || !s.Status()[0].Acting {
			t.Fatalf("scaled to %v, %+v", w.scaled(), s.Status())
		}
		w.set(func() { w.lead = false })
		pass(10 * time.Second)
		if s.Status()[0].Acting {
			t.Error("acts without the lead")
		}
	})
}

func TestConfig_Validate(t *testing.T) {
	t.Parallel()
	good := scale.Config{Targets: []scale.Target{{Process: "worker", Floor: 1, Ceiling: 1}}}.WithDefaults()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*scale.Config){
		"no floor": func(c *scale.Config) { c.Targets = []scale.Target{{Process: "w", Ceiling: 2}} },
		"crossed":  func(c *scale.Config) { c.Targets = []scale.Target{{Process: "w", Floor: 3, Ceiling: 2}} },
		"too full": func(c *scale.Config) { c.Policy.Utilisation = 1.1 },
		"negative": func(c *scale.Config) { c.Every = -1 },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
	}
}
