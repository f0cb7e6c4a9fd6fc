package conduct

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/probe"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

const (
	// between is how long the gateways are left alone before each deploy, and around
	// how long after its beginning a deploy may show.
	between = 1500 * time.Millisecond
	around  = 1500 * time.Millisecond
	// catchUp is how long the last events may take.
	catchUp = 30 * time.Second
)

// DeployCase is a number of deploys under a rate of events.
type DeployCase struct {
	Name string
	// Store is "postgres", where a new gateway runs before the old one is told to
	// stop, or "sqlite", which one process owns, so that they take turns.
	Store   string
	Deploys int
	Rate    float64 // events a second
}

// DeployCases returns what is run in every round.
func DeployCases(deploys int, rate float64) []DeployCase {
	return []DeployCase{
		{Name: "PostgreSQL, the new gateway beside the old", Store: "postgres", Deploys: deploys, Rate: rate},
		{Name: "SQLite, the new gateway after the old", Store: "sqlite", Deploys: max(1, deploys/2), Rate: rate},
	}
}

// rollout is the processes of one run: an org, an application and the gateways that
// replace each other between them.
type rollout struct {
	*Conductor
	c       DeployCase
	dir     string
	store   string
	org     *simulated
	app     *recorder
	current *gateway
	made    int
	deploys []time.Time // when the old gateway was told to stop
}

// Deploy runs one case once.
func (co *Conductor) Deploy(ctx context.Context, c DeployCase, round int) (result.Deploy, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	r := result.Deploy{Kind: "deploy", Case: c.Name, Round: round, Asked: c.Rate}
	d := &rollout{Conductor: co, c: c}
	defer d.clear()
	if err := d.prepare(ctx); err != nil {
		return r, fmt.Errorf("%s: %w", c.Name, err)
	}
	co.waitForQuiet(ctx)
	var err error
	if r.Probe, err = probe.Disk(d.dir); err != nil {
		return r, err
	}
	if err := d.perform(ctx, &r); err != nil {
		return r, fmt.Errorf("%s: %w", c.Name, err)
	}
	return r, nil
}

func (d *rollout) prepare(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp(d.Scratch, "deploy-*"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	d.store = filepath.Join(d.dir, "store.db")
	if d.c.Store == "postgres" {
		if d.store, err = d.Postgres.Fresh(ctx); err != nil {
			return err
		}
	}
	if d.app, err = newRecorder(); err != nil {
		return err
	}
	if d.org, err = startSimulated(ctx, d.Bin, d.dir); err != nil {
		return err
	}
	d.current, err = d.startGateway(ctx)
	return err
}

func (d *rollout) clear() {
	if d.current != nil {
		d.current.kill()
	}
	if d.org != nil {
		d.org.stop()
	}
	if d.app != nil {
		d.app.close()
	}
	_ = os.RemoveAll(d.dir)
}

// perform publishes at the rate while the gateways are replaced, and counts.
func (d *rollout) perform(ctx context.Context, r *result.Deploy) error {
	publishing, enough := context.WithCancel(ctx)
	defer enough()
	ended := make(chan error, 1)
	before, err := d.processorTime()
	if err != nil {
		return err
	}
	began := time.Now()
	go func() { ended <- d.org.publish(publishing, d.c.Rate, d.app) }()
	if err := d.replace(ctx, ended); err != nil {
		return err
	}
	enough()
	if err := <-ended; err != nil {
		return err
	}
	took := time.Since(began)
	r.Events = d.app.publishedCount()
	r.Rate = float64(r.Events) / took.Seconds()
	d.app.wait(ctx, r.Events, catchUp)
	after, err := d.processorTime()
	if err != nil {
		return err
	}
	r.Others = max(0, (after-before).Seconds()) / time.Since(began).Seconds()
	r.Flagged = r.Others > othersLimit
	d.measure(r, began.Add(between), began.Add(took))
	return d.count(ctx, r)
}

// replace makes the deploys, one after another.
func (d *rollout) replace(ctx context.Context, publishing <-chan error) error {
	for range d.c.Deploys {
		select {
		case <-time.After(between):
		case err := <-publishing:
			return fmt.Errorf("publish: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.deploy(ctx); err != nil {
			return err
		}
		select {
		case <-time.After(around):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// deploy replaces the gateway.
func (d *rollout) deploy(ctx context.Context) (err error) {
	old := d.current
	if d.c.Store == "postgres" {
		if d.current, err = d.startGateway(ctx); err != nil {
			old.kill()
			return err
		}
	}
	d.deploys = append(d.deploys, time.Now())
	if err := old.stop(ctx); err != nil {
		return err
	}
	if d.c.Store != "postgres" {
		d.current, err = d.startGateway(ctx)
	}
	return err
}

// processorTime is what others than the run's processes have used.
func (d *rollout) processorTime() (time.Duration, error) {
	busy, _, err := proc.Busy()
	if err != nil {
		return 0, err
	}
	for _, pid := range []int{os.Getpid(), d.org.cmd.Process.Pid, d.current.cmd.Process.Pid} {
		u, err := proc.Of(pid) // of this process, with the gateways that have ended
		if err != nil {
			return 0, err
		}
		busy -= u.CPU
	}
	if d.c.Store == "postgres" {
		u, err := d.Postgres.Usage()
		if err != nil {
			return 0, err
		}
		busy -= u.CPU
	}
	return busy, nil
}

// measure compares the time around deploys with the rest.
func (d *rollout) measure(r *result.Deploy, from, until time.Time) {
	for _, at := range d.deploys {
		r.Pauses = append(r.Pauses, d.app.longestGap(at, at.Add(around)))
		r.Quiet = append(r.Quiet, d.app.longestGap(at.Add(-between/2), at))
	}
	slices.Sort(r.Pauses)
	slices.Sort(r.Quiet)
	isNear := func(at time.Time) bool {
		return slices.ContainsFunc(d.deploys, func(d time.Time) bool { return at.After(d.Add(-100*time.Millisecond)) && at.Before(d.Add(around)) })
	}
	near, far := d.app.latencies(from, until, isNear)
	r.Near, r.Far = result.QuantilesOf(near), result.QuantilesOf(far)
}

// count finds the ground truth: every published event at the application and in
// the store, once.
func (d *rollout) count(ctx context.Context, r *result.Deploy) error {
	if err := d.current.stop(ctx); err != nil {
		return err
	}
	r.Lost, r.Twice, r.Bad = d.app.count()
	a, err := start(ctx, "audit", filepath.Join(d.Bin, "audit"), "-store", d.store, "-delivered")
	if err != nil {
		return err
	}
	defer a.kill()
	kept, err := a.end()
	if err != nil {
		return err
	}
	r.Finding = kept.Note
	if kept.Is != line.Counted || kept.Count != r.Events || kept.Extra != 0 {
		r.Finding += fmt.Sprintf(" %d of %d in the store, %d twice", kept.Count, r.Events, kept.Extra)
	}
	r.True = r.Lost == 0 && r.Bad == 0 && r.Finding == ""
	return nil
}
