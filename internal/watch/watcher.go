package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Lead decides which of several processes sends the notices.
type Lead interface {
	// Hold takes or keeps the lead for ttl; false if another process has it.
	Hold(ctx context.Context, ttl time.Duration) (bool, error)
	// Yield gives the lead up, so that another takes it at once.
	Yield(ctx context.Context) error
}

// Deps is what a [Watcher] works with.
type Deps struct {
	// Facts gathers what this process sees; it bounds itself by ctx. Required.
	Facts func(ctx context.Context) (Facts, error)
	// Notebook and Lead are shared by all processes; required.
	Notebook Notebook
	Lead     Lead
	// Target takes the notices; nil sends none, and alarms only show.
	Target event.Destination
	// Metrics may be nil.
	Metrics *Metrics
	Log     *slog.Logger
}

// Watcher judges what is going on, tells other processes, and sends notices while
// it has the lead. It is a run.Worker.
type Watcher struct {
	cfg   Config
	deps  Deps
	judge *judge
	teller

	mu   sync.Mutex // guards what follows
	mine map[string]sighting
}

// New returns a watcher.
func New(c Config, d Deps) (*Watcher, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if d.Facts == nil || d.Notebook == nil || d.Lead == nil || d.Log == nil {
		return nil, errors.New("watch: facts, notebook, lead and log are required")
	}
	if d.Metrics == nil {
		d.Metrics = NewMetrics(nil)
	}
	w := &Watcher{cfg: c, deps: d, judge: newJudge(c.Limits, c.Settle), mine: map[string]sighting{}}
	w.teller = teller{Watcher: w}
	return w, nil
}

// Name implements run.Worker.
func (*Watcher) Name() string { return "watch" }

// finalPatience bounds the last words at a stop.
const finalPatience = time.Second

// Run watches until ctx is cancelled. Failures of the store are logged, once each
// time they begin, and the next round tries again.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	broken := false
	for ctx.Err() == nil {
		err := w.round(ctx)
		if err != nil && !broken && ctx.Err() == nil {
			w.deps.Log.Warn("alarms cannot be kept", "err", err)
		}
		broken = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalPatience)
	defer cancel()
	if err := errors.Join(w.deps.Notebook.Forget(final, scopeSeen, w.cfg.Process), w.deps.Lead.Yield(final)); err != nil {
		w.deps.Log.Debug("the watch was not handed over", "err", err) // the successor waits for the lease's end
	}
	return nil
}

// round judges once, reports, and sends what is due.
func (w *Watcher) round(ctx context.Context) error {
	b, err := readBoard(ctx, w.deps.Notebook, staleAfter(w.cfg.Every))
	if err != nil {
		return err
	}
	for id, t := range b.told {
		w.judge.remember(id, t.sighting)
	}
	facts, err := w.deps.Facts(ctx)
	if err != nil {
		w.deps.Log.Warn("not everything can be watched", "err", err)
	}
	v := w.judge.judge(facts, time.Now())
	w.show(v.sightings)
	if err := w.report(ctx, v, b); err != nil {
		return err
	}
	return w.lead(ctx)
}

// report notes what this process sees, for all of them.
func (w *Watcher) report(ctx context.Context, v verdict, b board) error {
	r := report{Sightings: v.sightings}
	for id := range b.told {
		if v.well[id] {
			r.Well = append(r.Well, id)
		}
	}
	slices.Sort(r.Well)
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return w.deps.Notebook.Note(ctx, scopeSeen, w.cfg.Process, body)
}

// show keeps what this process sees for the metrics, and logs what is new.
func (w *Watcher) show(now map[string]sighting) {
	w.mu.Lock()
	before := w.mine
	w.mine = now
	w.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if s := now[id]; s.Severity.Worse(before[id].Severity) {
			w.deps.Log.Warn("alarm", "rule", s.Rule, "subject", s.Subject, "severity", s.Severity, "what", s.What, "hint", s.Hint)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if _, still := now[id]; !still {
			w.deps.Log.Info("alarm over", "rule", before[id].Rule, "subject", before[id].Subject)
		}
	}
	w.deps.Metrics.show(now)
}

// Alarms lists what is active, by what all processes see.
func (w *Watcher) Alarms(ctx context.Context) ([]Alarm, error) {
	return Alarms(ctx, w.deps.Notebook, w.cfg.Every)
}
