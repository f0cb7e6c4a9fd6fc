package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrStopping is the cause of the context that workers run under once the
// supervisor stops them, so that logs can tell stopping from failing.
var ErrStopping = errors.New("the process is stopping")

// Stage is a step of the ordered stop; lower stages stop first, and the next
// one is told to stop when the one before has ended or used up its share.
type Stage int

// The stages, in the order in which they stop.
const (
	// Intake stops first: nothing new is taken in.
	Intake Stage = iota
	// Delivery drains what is in flight.
	Delivery
	// Surface is what people look at; it outlives the work it shows.
	Surface
	// Storage stops last, because everything above writes until its end.
	Storage
	stages
)

// String returns the stage in lower case.
func (s Stage) String() string {
	names := [...]string{"intake", "delivery", "surface", "storage"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("stage %d", int(s))
	}
	return names[s]
}

// Config sets the numbers of a supervisor. Zero means the default.
type Config struct {
	// StopBudget is the longest that a stop may take in all; default 25 s, less
	// than the 30 s that platforms wait between SIGTERM and SIGKILL.
	StopBudget time.Duration
	// IntakeBudget is how long the intake stage may hold up the drain of the
	// stages after it; default 2 s. A slow receiver must not eat the time in
	// which attempts in flight can end well.
	IntakeBudget time.Duration
	// TailBudget is kept back from the delivery stage for the stages after it;
	// default 1 s.
	TailBudget time.Duration
	// KillGrace is how long Run still waits for workers after Kill; default 500 ms.
	KillGrace time.Duration
	// RestartFirst and RestartMax bound the wait before a failed worker is
	// started again: it doubles from the first to the largest. Defaults 1 s and 1 min.
	RestartFirst, RestartMax time.Duration
	// HealthyAfter is how long a worker must have run for its next failure to
	// count as a first one again; default 1 min.
	HealthyAfter time.Duration
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.StopBudget, 25*time.Second)
	def(&c.IntakeBudget, 2*time.Second)
	def(&c.TailBudget, time.Second)
	def(&c.KillGrace, 500*time.Millisecond)
	def(&c.RestartFirst, time.Second)
	def(&c.RestartMax, time.Minute)
	def(&c.HealthyAfter, time.Minute)
	return c
}

// Validate reports what cannot work.
func (c Config) Validate() error {
	var errs []error
	for name, d := range map[string]time.Duration{
		"stop budget": c.StopBudget, "intake budget": c.IntakeBudget, "tail budget": c.TailBudget,
		"kill grace": c.KillGrace, "first restart wait": c.RestartFirst, "largest restart wait": c.RestartMax,
		"healthy after": c.HealthyAfter,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s is negative: %s", name, d))
		}
	}
	if c.IntakeBudget+c.TailBudget > c.StopBudget {
		errs = append(errs, fmt.Errorf("intake and tail budgets leave nothing of the stop budget %s", c.StopBudget))
	}
	return errors.Join(errs...)
}

// Spec is a worker and how it is to be treated.
type Spec struct {
	Worker Worker
	Stage  Stage
	// Vital: the process cannot go on without this worker. Its failure stops
	// everything, in order, and becomes the error of Run. Others are restarted.
	Vital bool
}

// Supervisor runs workers, restarts those that fail and stops them in order.
// Add everything, then call Run once.
type Supervisor struct {
	cfg Config
	log *slog.Logger

	stopOnce, killOnce sync.Once
	stop, kill         chan struct{}

	mu      sync.Mutex // guards what follows
	slots   []*slot
	started bool
}

// New returns a supervisor without workers.
func New(cfg Config, log *slog.Logger) (*Supervisor, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check supervisor settings: %w", err)
	}
	return &Supervisor{
		cfg: cfg, log: log.With("component", "supervisor"),
		stop: make(chan struct{}), kill: make(chan struct{}),
	}, nil
}

// Add registers a worker. It fails once Run has been called, on a name that is
// already taken, and on a stage that does not exist.
func (s *Supervisor) Add(spec Spec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := spec.Worker.Name()
	switch {
	case s.started:
		return fmt.Errorf("add worker %q: already running", name)
	case spec.Stage < 0 || spec.Stage >= stages:
		return fmt.Errorf("add worker %q: no such stage: %s", name, spec.Stage)
	case slices.ContainsFunc(s.slots, func(o *slot) bool { return o.name == name }):
		return fmt.Errorf("add worker %q: name taken", name)
	}
	s.slots = append(s.slots, newSlot(spec, name))
	return nil
}

// Stop begins the ordered stop; Run returns when it is over. It returns at
// once and may be called at any time, before Run and more than once included.
func (s *Supervisor) Stop() { s.stopOnce.Do(func() { close(s.stop) }) }

// Kill skips to the end of the stop: every worker is told to end now, and Run
// returns within the kill grace whether they did or not. It is what a second
// signal asks for.
func (s *Supervisor) Kill() {
	s.Stop()
	s.killOnce.Do(func() { close(s.kill) })
}

// Run starts all workers and blocks until ctx is cancelled, Stop is called or a
// vital worker fails; then it stops the stages in order and returns. The error
// is that of the vital worker, joined with one that names the workers that had
// not ended when the stop budget ran out (their goroutines are still running);
// nil after a clean stop. It can be called once.
func (s *Supervisor) Run(ctx context.Context) error {
	groups, err := s.begin()
	if err != nil {
		return err
	}
	if stopRequested(ctx, s.stop) {
		return nil
	}
	vital := make(chan error, len(s.slots))
	// Stopping is ordered here and nowhere else, so the workers' contexts carry
	// the values of ctx but not its cancellation.
	base := context.WithoutCancel(ctx)
	for i := len(groups) - 1; i >= 0; i-- {
		groups[i].start(base, s, vital)
	}
	var cause error
	select {
	case <-ctx.Done():
	case <-s.stop:
	case cause = <-vital:
	}
	return errors.Join(cause, s.stopAll(groups))
}

// Health returns a snapshot of every worker, in the order they were added.
func (s *Supervisor) Health() []Health {
	s.mu.Lock()
	slots := slices.Clone(s.slots)
	s.mu.Unlock()
	all := make([]Health, len(slots))
	for i, sl := range slots {
		all[i] = sl.snapshot()
	}
	return all
}

func (s *Supervisor) begin() ([]*group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil, errors.New("run supervisor: already run")
	}
	s.started = true
	groups := make([]*group, stages)
	for i := range groups {
		groups[i] = &group{stage: Stage(i), done: make(chan struct{})}
	}
	for _, sl := range s.slots {
		g := groups[sl.stage]
		g.slots = append(g.slots, sl)
	}
	return groups, nil
}

func stopRequested(ctx context.Context, stop <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return true
	case <-stop:
		return true
	default:
		return false
	}
}

// stopAll tells one stage after the other to stop and waits for it as long as
// its share of the budget lasts.
func (s *Supervisor) stopAll(groups []*group) error {
	deadline := time.Now().Add(s.cfg.StopBudget)
	for _, g := range groups {
		g.cancel(ErrStopping)
		s.await(g, s.share(g.stage, deadline))
	}
	if stopRequested(context.Background(), s.kill) {
		deadline = time.Now().Add(s.cfg.KillGrace)
	}
	for _, g := range groups { // those that were overtaken
		g.wait(time.Until(deadline))
	}
	return stragglers(groups)
}

// share returns how long a stage may hold up the ones after it.
func (s *Supervisor) share(stage Stage, deadline time.Time) time.Duration {
	left := time.Until(deadline)
	switch stage {
	case Intake:
		return min(left, s.cfg.IntakeBudget)
	case Delivery:
		return left - s.cfg.TailBudget
	default:
		return left
	}
}

func (s *Supervisor) await(g *group, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-g.done:
	case <-s.kill:
	case <-t.C:
		s.log.Warn("stage has not stopped in its time, going on", "stage", g.stage.String())
	}
}

func stragglers(groups []*group) error {
	var names []string
	for _, g := range groups {
		for _, sl := range g.slots {
			if !sl.ended() {
				names = append(names, sl.name)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("stop workers: still running when the time was up: %s", strings.Join(names, ", "))
}
