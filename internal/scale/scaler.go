package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Formation starts and stops processes of a type.
type Formation interface {
	// Quantity is how many there should be now.
	Quantity(ctx context.Context, process string) (int, error)
	// Scale asks for n of them.
	Scale(ctx context.Context, process string, n int) error
}

// Lead decides which of several gateways acts.
type Lead interface {
	// Hold takes or keeps the lead for ttl; false if another process has it.
	Hold(ctx context.Context, ttl time.Duration) (bool, error)
	// Yield gives the lead up, so that another takes it at once.
	Yield(ctx context.Context) error
}

// Target is one type of process whose number follows the load.
type Target struct {
	Process string
	// Floor and Ceiling are the fewest and the most that are asked for.
	Floor, Ceiling int
	// Handles is how many events one process works on at once.
	Handles int
	// Routes are those whose events it works on; empty is all that are measured.
	Routes []string
}

// Config sets how the number of processes follows the load. Zero means the default,
// a negative time none.
type Config struct {
	Targets []Target
	Policy  Policy
	// Every is the time between two looks; default 30 s.
	Every time.Duration
	// UpAfter and DownAfter are for how long more, or fewer, must have been wanted at
	// every look; defaults 1 min and 10 min.
	UpAfter, DownAfter time.Duration
	// CoolDown is how long nothing is changed after a change, or after this process has
	// become the one that acts; default 3 min.
	CoolDown time.Duration
	// DryRun says what would be done and does not do it.
	DryRun bool
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	for v, to := range map[*time.Duration]time.Duration{
		&c.Every: 30 * time.Second, &c.UpAfter: time.Minute, &c.DownAfter: 10 * time.Minute, &c.CoolDown: 3 * time.Minute,
	} {
		if *v == 0 {
			*v = to
		}
	}
	c.Policy = c.Policy.WithDefaults()
	c.Targets = slices.Clone(c.Targets)
	for i := range c.Targets {
		c.Targets[i].Handles = max(c.Targets[i].Handles, 1)
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	errs := []error{c.Policy.Validate()}
	for _, t := range c.Targets {
		if t.Process == "" || t.Floor < 1 || t.Ceiling < t.Floor {
			errs = append(errs, fmt.Errorf("process %q: floor %d and ceiling %d are not 1 or more and rising", t.Process, t.Floor, t.Ceiling))
		}
	}
	if c.Every <= 0 {
		errs = append(errs, errors.New("the time between two looks is not positive"))
	}
	return errors.Join(errs...)
}

// Deps is what a [Scaler] works with.
type Deps struct {
	// Loads tells what the routes have to do.
	Loads     func(ctx context.Context) ([]Load, error)
	Formation Formation
	Lead      Lead
	// Metrics may be nil.
	Metrics *Metrics
	Log     *slog.Logger
}

// Scaler has the number of processes follow the load. It is a run.Worker.
type Scaler struct {
	cfg  Config
	deps Deps

	// Run's alone.
	leads  bool
	cool   time.Time // nothing is changed before
	trends []trend

	mu     sync.Mutex // guards status
	status []Status
}

// Status is how a type of process stands.
type Status struct {
	Process string `json:"process"`
	Floor   int    `json:"floor"`
	Ceiling int    `json:"ceiling"`
	// Acting says that this gateway is the one that acts; the rest is empty if not.
	Acting bool `json:"acting"`
	DryRun bool `json:"dry_run,omitempty"`
	// Quantity is how many there should be as the platform says, Wanted how many the load wants.
	Quantity int `json:"quantity"`
	Wanted   int `json:"wanted"`
	// Why is why nothing is done, or what was done last.
	Why  string `json:"why"`
	Hint string `json:"hint,omitempty"`
	// Changed is when the number was last changed by this gateway.
	Changed time.Time `json:"changed,omitzero"`
}

// New returns a scaler.
func New(c Config, d Deps) (*Scaler, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("check settings of the scaling: %w", err)
	}
	if d.Loads == nil || d.Formation == nil || d.Lead == nil || d.Log == nil {
		return nil, errors.New("build scaling: loads, formation, lead and log are required")
	}
	if d.Metrics == nil {
		d.Metrics = NewMetrics(nil)
	}
	s := &Scaler{cfg: c, deps: d, trends: make([]trend, len(c.Targets))}
	for _, t := range c.Targets {
		s.status = append(s.status, Status{Process: t.Process, Floor: t.Floor, Ceiling: t.Ceiling, DryRun: c.DryRun, Why: "not looked yet"})
	}
	return s, nil
}

// Name implements run.Worker.
func (s *Scaler) Name() string { return "scaling" }

// Status says how every type of process stands.
func (s *Scaler) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.status)
}

// Run implements run.Worker.
func (s *Scaler) Run(ctx context.Context) error {
	t := time.NewTicker(s.cfg.Every)
	defer t.Stop()
	defer func() {
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.deps.Lead.Yield(gone) // it runs out otherwise
	}()
	for {
		s.look(ctx)
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look holds the lead and, having it, looks at every type of process.
func (s *Scaler) look(ctx context.Context) {
	lead, err := s.deps.Lead.Hold(ctx, 3*s.cfg.Every)
	if err != nil || !lead {
		s.stand(err)
		return
	}
	if !s.leads { // who led before may just have changed something
		s.leads, s.cool = true, time.Now().Add(s.cfg.CoolDown)
		s.trends = make([]trend, len(s.cfg.Targets))
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.cfg.Every) // within the lead
	defer cancel()
	loads, err := s.deps.Loads(ctx)
	for i, t := range s.cfg.Targets {
		if err != nil {
			s.tell(i, func(st *Status) { st.Why, st.Hint = "the load is not known: "+err.Error(), event.HintOf(err) })
			continue
		}
		s.follow(ctx, i, t, loads)
	}
}

// stand notes that another process acts, or that nobody knows who does.
func (s *Scaler) stand(err error) {
	s.leads = false
	for i := range s.cfg.Targets {
		s.tell(i, func(st *Status) {
			st.Quantity, st.Wanted, st.Hint = 0, 0, ""
			st.Why = "another process acts"
			if err != nil {
				st.Why, st.Hint = "the lead is not known: "+err.Error(), "check the store"
			}
		})
	}
}

func (s *Scaler) tell(i int, change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status[i].Acting = s.leads
	change(&s.status[i])
}

// follow decides on one type of process.
func (s *Scaler) follow(ctx context.Context, i int, t Target, loads []Load) {
	now, err := s.deps.Formation.Quantity(ctx, t.Process)
	if err != nil {
		s.fail(i, t, "read", err)
		return
	}
	wanted, why := t.wanted(loads, s.cfg.Policy)
	s.deps.Metrics.seen(t, now, wanted)
	s.tell(i, func(st *Status) { st.Quantity, st.Wanted, st.Why, st.Hint = now, wanted, why, "" })
	if wanted == 0 || now == 0 { // unknown, or switched off by a person
		s.trends[i] = trend{}
		if now == 0 {
			s.tell(i, func(st *Status) { st.Why = "switched off: somebody has scaled it to 0" })
		}
		return
	}
	to := s.trends[i].judge(time.Now(), now, wanted, s.cfg)
	if to == now {
		return
	}
	if wait := time.Until(s.cool); wait > 0 {
		s.tell(i, func(st *Status) {
			st.Why += fmt.Sprintf("; nothing is changed for another %s", wait.Round(time.Second))
		})
		return
	}
	s.change(ctx, i, t, now, to, why)
}

func (s *Scaler) change(ctx context.Context, i int, t Target, now, to int, why string) {
	args := []any{"process", t.Process, "from", now, "to", to, "why", why}
	s.cool = time.Now().Add(s.cfg.CoolDown)
	s.trends[i] = trend{}
	if s.cfg.DryRun {
		s.deps.Metrics.acted(t, "dry-run")
		s.deps.Log.Info("would scale, but dry_run is set", args...)
		s.tell(i, func(st *Status) { st.Why = fmt.Sprintf("would have scaled from %d to %d: %s", now, to, why) })
		return
	}
	if err := s.deps.Formation.Scale(ctx, t.Process, to); err != nil {
		s.fail(i, t, "change", err)
		return
	}
	direction := "up"
	if to < now {
		direction = "down"
	}
	s.deps.Metrics.acted(t, direction)
	s.deps.Log.Info("scaled", args...)
	s.tell(i, func(st *Status) {
		st.Quantity, st.Changed, st.Why = to, time.Now(), fmt.Sprintf("scaled from %d to %d: %s", now, to, why)
	})
}

func (s *Scaler) fail(i int, t Target, what string, err error) {
	s.deps.Metrics.acted(t, "failed")
	s.deps.Log.Warn("formation not "+map[string]string{"read": "read", "change": "changed"}[what], "process", t.Process, "err", err, "hint", event.HintOf(err))
	s.tell(i, func(st *Status) { st.Why, st.Hint = err.Error(), event.HintOf(err) })
	if e, ok := errors.AsType[*event.Error](err); ok && e.After > 0 {
		s.cool = time.Now().Add(max(e.After, s.cfg.Every))
	}
}

// wanted is how many processes the load of a target wants, within its bounds; 0 where that
// is not known, with the reason.
func (t Target) wanted(loads []Load, p Policy) (int, string) {
	need, known := 0, 0
	why := ""
	for _, l := range loads {
		if len(t.Routes) > 0 && !slices.Contains(t.Routes, l.Route) {
			continue
		}
		a := Advise(l, p)
		switch a.Verdict {
		case Failing, Unknown:
			return 0, "route " + l.Route + ": " + a.Text
		case Idle, Enough, More, Fewer:
		}
		known++
		if a.Needed > 0 {
			if why != "" {
				why += "; "
			}
			why += fmt.Sprintf("route %s needs %d at once (%.3g a second of %.3g s, %d wait)", l.Route, a.Needed, l.Arrivals, l.Service, l.Waiting)
		}
		need += a.Needed
	}
	if known == 0 {
		return 0, "no route is measured yet"
	}
	if need == 0 {
		why = "nothing arrives and nothing waits"
	}
	return min(max((need+t.Handles-1)/t.Handles, t.Floor), t.Ceiling), why
}
