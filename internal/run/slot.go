package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// State is what a worker is doing, as the supervisor sees it.
type State string

// The states of a worker.
const (
	// Idle: not started yet.
	Idle State = "idle"
	// Running: its Run has not returned.
	Running State = "running"
	// Waiting: it failed and will be started again.
	Waiting State = "waiting"
	// Stopped: it has ended because it was asked to.
	Stopped State = "stopped"
	// Failed: it failed and will not be started again.
	Failed State = "failed"
)

// Health is how one worker fares.
type Health struct {
	Name  string    `json:"name"`
	Stage string    `json:"stage"`
	State State     `json:"state"`
	Since time.Time `json:"since"`
	// Restarts counts how often it was started again after a failure.
	Restarts int `json:"restarts"`
	// LastError is that of the last failure; it stays after recovery.
	LastError string `json:"last_error,omitempty"`
	// NextStart is when a waiting worker is started again.
	NextStart time.Time `json:"next_start,omitzero"`
}

// slot is a worker with its health.
type slot struct {
	name   string
	worker Worker
	stage  Stage
	vital  bool

	mu     sync.Mutex // guards health
	health Health
}

func newSlot(spec Spec, name string) *slot {
	return &slot{
		name: name, worker: spec.Worker, stage: spec.Stage, vital: spec.Vital,
		health: Health{Name: name, Stage: spec.Stage.String(), State: Idle, Since: time.Now()},
	}
}

func (sl *slot) snapshot() Health {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	return sl.health
}

func (sl *slot) ended() bool {
	state := sl.snapshot().State
	return state == Stopped || state == Failed || state == Idle
}

func (sl *slot) become(state State, change func(*Health)) {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	sl.health.State, sl.health.Since, sl.health.NextStart = state, time.Now(), time.Time{}
	if change != nil {
		change(&sl.health)
	}
}

// supervise runs the worker until ctx is cancelled or, for a vital one, until
// it fails.
func (sl *slot) supervise(ctx context.Context, s *Supervisor, vital chan<- error) {
	wait := s.cfg.RestartFirst
	for {
		sl.become(Running, nil)
		began := time.Now()
		err := sl.runOnce(ctx, s)
		if ctx.Err() != nil {
			sl.become(Stopped, func(h *Health) { h.remember(endError(ctx, err)) })
			return
		}
		if err == nil {
			err = errors.New("ended without being asked to")
		}
		if sl.vital {
			sl.become(Failed, func(h *Health) { h.remember(err) })
			s.log.Error("vital worker failed, stopping", "worker", sl.name, "err", err)
			vital <- fmt.Errorf("run %s: %w", sl.name, err)
			return
		}
		if time.Since(began) >= s.cfg.HealthyAfter {
			wait = s.cfg.RestartFirst
		}
		s.log.Error("worker failed, starting it again", "worker", sl.name, "wait", wait, "err", err)
		sl.become(Waiting, func(h *Health) {
			h.remember(err)
			h.NextStart = h.Since.Add(wait)
		})
		if !sleep(ctx, wait) {
			sl.become(Stopped, nil)
			return
		}
		wait = min(2*wait, s.cfg.RestartMax)
		sl.mu.Lock()
		sl.health.Restarts++
		sl.mu.Unlock()
	}
}

// runOnce turns a panic of the worker's own goroutine into an error: one
// worker's bug must not take the others down.
func (sl *slot) runOnce(ctx context.Context, s *Supervisor) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("worker panicked", "worker", sl.name, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return sl.worker.Run(ctx)
}

func (h *Health) remember(err error) {
	if err != nil {
		h.LastError = err.Error()
	}
}

// endError returns err unless it merely says that ctx was cancelled.
func endError(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// sleep waits for d and reports whether it did so in full.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// group is the workers of one stage while they run.
type group struct {
	stage  Stage
	slots  []*slot
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when all have ended
}

func (g *group) start(base context.Context, s *Supervisor, vital chan<- error) {
	ctx, cancel := context.WithCancelCause(base)
	g.cancel = cancel
	var wg sync.WaitGroup
	for _, sl := range g.slots {
		// The state changes before the goroutine runs, so that a stop that comes
		// at once never takes a started worker for one that never was.
		sl.become(Running, nil)
		wg.Go(func() { sl.supervise(ctx, s, vital) })
	}
	go func() {
		wg.Wait()
		close(g.done)
	}()
}

func (g *group) wait(d time.Duration) {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-g.done:
	case <-t.C:
	}
}
