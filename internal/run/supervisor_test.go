package run_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/run"
)

// worker is a worker made of a function.
type worker struct {
	name string
	run  func(ctx context.Context) error
}

func (w worker) Name() string                  { return w.name }
func (w worker) Run(ctx context.Context) error { return w.run(ctx) }

// patient runs until it is stopped, then takes a while to end.
func patient(name string, while time.Duration, ended func(name string)) worker {
	return worker{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(while)
		ended(name)
		return nil
	}}
}

// order remembers who ended when.
type order struct {
	mu    sync.Mutex
	names []string
}

func (o *order) note(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names = append(o.names, name)
}

func (o *order) ended() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.names)
}

func newSupervisor(t *testing.T, specs ...run.Spec) *run.Supervisor {
	t.Helper()
	s, err := run.New(run.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		if err := s.Add(spec); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// begin runs the supervisor and returns what stops it and what it returned.
func begin(t *testing.T, s *run.Supervisor) (stop func(), done chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done = make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	return cancel, done
}

func TestSupervisor_StopsStagesInOrderEachAfterTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o order
		s := newSupervisor(t,
			run.Spec{Worker: patient("store", 0, o.note), Stage: run.Storage},
			run.Spec{Worker: patient("delivery", 15*time.Second, o.note), Stage: run.Delivery},
			run.Spec{Worker: patient("http", 0, o.note), Stage: run.Surface},
			run.Spec{Worker: patient("source", time.Second, o.note), Stage: run.Intake},
		)
		stop, done := begin(t, s)
		began := time.Now()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 16*time.Second {
			t.Errorf("stop took %s, want the 16s its stages need one after another", took)
		}
		if want := []string{"source", "delivery", "http", "store"}; !slices.Equal(o.ended(), want) {
			t.Errorf("ended in the order %v, want %v", o.ended(), want)
		}
		for _, h := range s.Health() {
			if h.State != run.Stopped || h.LastError != "" {
				t.Errorf("health: %+v", h)
			}
		}
	})
}

func TestSupervisor_AStageThatHangsHoldsUpTheStopOnlyWithinTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o order
		s := newSupervisor(t,
			run.Spec{Worker: patient("stuck source", time.Hour, o.note), Stage: run.Intake},
			run.Spec{Worker: patient("delivery", 21*time.Second, o.note), Stage: run.Delivery},
			run.Spec{Worker: patient("store", 0, o.note), Stage: run.Storage},
		)
		stop, done := begin(t, s)
		began := time.Now()
		stop()
		err := <-done
		if err == nil || !strings.Contains(err.Error(), "stuck source") || strings.Contains(err.Error(), "delivery") {
			t.Errorf("error %v, want it to name the worker that had not ended and no other", err)
		}
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("stop took %s, want the budget of 25s", took)
		}
		if want := []string{"delivery", "store"}; !slices.Equal(o.ended(), want) {
			t.Errorf("ended: %v, want %v", o.ended(), want)
		}
		time.Sleep(time.Hour)
	})
}

func TestSupervisor_KillSkipsToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o order
		s := newSupervisor(t,
			run.Spec{Worker: patient("delivery", 15*time.Second, o.note), Stage: run.Delivery},
			run.Spec{Worker: patient("store", 100*time.Millisecond, o.note), Stage: run.Storage},
		)
		stop, done := begin(t, s)
		stop()
		time.Sleep(3 * time.Second)
		began := time.Now()
		s.Kill()
		s.Kill()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "delivery") {
			t.Errorf("error %v, want it to name the worker that was left behind", err)
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("it took %s after the second signal", took)
		}
		if want := []string{"store"}; !slices.Equal(o.ended(), want) {
			t.Errorf("ended: %v, want %v", o.ended(), want)
		}
		time.Sleep(time.Minute)
	})
}

func TestSupervisor_RestartsAFailedWorkerWithGrowingWaitsAndLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		var healthyStarts int
		s := newSupervisor(t,
			run.Spec{Worker: worker{"broken", func(context.Context) error {
				starts = append(starts, time.Now())
				switch len(starts) {
				case 1:
					return errors.New("no such topic")
				case 2:
					panic("nil map")
				case 3:
					return nil // ended without being asked to
				case 4:
					time.Sleep(2 * time.Minute) // healthy for long
				}
				return errors.New("again")
			}}},
			run.Spec{Worker: worker{"healthy", func(ctx context.Context) error {
				healthyStarts++
				<-ctx.Done()
				return ctx.Err()
			}}},
		)
		stop, done := begin(t, s)
		time.Sleep(2*time.Minute + 8500*time.Millisecond)
		h := s.Health()[0]
		if h.State != run.Waiting || h.Restarts != 4 || h.LastError != "again" || !h.NextStart.After(time.Now()) {
			t.Errorf("health: %+v", h)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 2*time.Minute + time.Second} {
			if wait := starts[i+1].Sub(starts[i]); wait != want {
				t.Errorf("start %d came after %s, want %s", i+2, wait, want)
			}
		}
		if healthyStarts != 1 {
			t.Errorf("the healthy worker was started %d times", healthyStarts)
		}
	})
}

func TestSupervisor_AVitalWorkersFailureStopsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o order
		gone := errors.New("disk gone")
		s := newSupervisor(t,
			run.Spec{Worker: patient("delivery", time.Second, o.note), Stage: run.Delivery},
			run.Spec{Vital: true, Stage: run.Storage, Worker: worker{"store", func(context.Context) error {
				time.Sleep(time.Minute)
				return gone
			}}},
		)
		_, done := begin(t, s)
		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("run returned %v, want the store's error", err)
		}
		if !slices.Equal(o.ended(), []string{"delivery"}) {
			t.Errorf("ended: %v", o.ended())
		}
		if h := s.Health()[1]; h.State != run.Failed || h.LastError != "disk gone" {
			t.Errorf("health: %+v", h)
		}
	})
}

func TestSupervisor_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	nothing := worker{"same", func(context.Context) error { return nil }}
	s := newSupervisor(t, run.Spec{Worker: nothing})
	if err := s.Add(run.Spec{Worker: nothing}); err == nil {
		t.Error("a name was taken twice")
	}
	if err := s.Add(run.Spec{Worker: worker{name: "other"}, Stage: 9}); err == nil {
		t.Error("a stage that does not exist was taken")
	}
	s.Stop()
	if err := s.Run(t.Context()); err != nil {
		t.Errorf("run after stop: %v", err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("a second run went through")
	}
	if err := s.Add(run.Spec{Worker: worker{name: "late"}}); err == nil {
		t.Error("a worker was added after the run")
	}
	if h := s.Health()[0]; h.State != run.Idle {
		t.Errorf("a worker that never ran is %s", h.State)
	}
	if _, err := run.New(run.Config{StopBudget: time.Second, IntakeBudget: time.Minute}, slog.Default()); err == nil {
		t.Error("budgets that do not fit were taken")
	}
}

// TestSupervisor_Stress starts and stops in every order the scheduler finds:
// stopped before the start, while starting, twice, by context and by call.
func TestSupervisor_Stress(t *testing.T) {
	t.Parallel()
	for range 300 {
		var running atomic.Int64
		s := newSupervisor(t)
		for i, stage := range []run.Stage{run.Intake, run.Intake, run.Delivery, run.Surface, run.Storage} {
			w := worker{string(rune('a' + i)), func(ctx context.Context) error {
				running.Add(1)
				defer running.Add(-1)
				<-ctx.Done()
				return context.Cause(ctx)
			}}
			if err := s.Add(run.Spec{Worker: w, Stage: stage}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(s.Stop)
		wg.Go(cancel)
		wg.Go(s.Stop)
		wg.Go(func() { s.Health() })
		wg.Wait()
		if n := running.Load(); n != 0 {
			t.Fatalf("%d workers outlived the run", n)
		}
		for _, h := range s.Health() {
			if h.State != run.Stopped && h.State != run.Idle {
				t.Fatalf("health after the stop: %+v", h)
			}
		}
	}
}
