package roster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Roster keeps a process's subscriptions to what the org has. It is a run.Worker.
type Roster struct {
	cfg  Config
	deps Deps

	// What follows belongs to Run alone.
	applied []Channel
	done    bool          // applied holds
	shown   int64         // the listing that the status is of
	broken  bool          // the trouble shown is of this process, not of the listing
	every   time.Duration // until the next listing, chosen anew after each
	wanted  time.Time     // a listing of before then is not enough
	pulse   int64
	tries   int
	retry   time.Time // no listing before

	mu     sync.Mutex // guards status
	status Status
}

// New returns a roster that knows nothing yet.
func New(cfg Config, deps Deps) (*Roster, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check settings of the list of channels: %w", err)
	}
	if deps.Lister == nil || deps.Book == nil || deps.Lead == nil || deps.Apply == nil || deps.Log == nil {
		return nil, errors.New("build list of channels: lister, book, lead, apply and log are required")
	}
	if deps.Pulse == nil {
		deps.Pulse = func() int64 { return 0 }
	}
	r := &Roster{cfg: cfg, deps: deps, every: cfg.Every}
	r.show(page{})
	return r, nil
}

// Name implements run.Worker.
func (*Roster) Name() string { return "custom channels" }

// Run follows the book, and asks the org when it is time, until ctx is cancelled.
// Failures are shown in the status and tried again, not returned.
func (r *Roster) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Follow)
	defer tick.Stop()
	r.wanted, r.pulse = time.Now().Add(-r.cfg.Spacing), r.deps.Pulse()
	for ctx.Err() == nil {
		r.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// round follows the book, and asks the org if it is time.
func (r *Roster) round(ctx context.Context) {
	if pulse := r.deps.Pulse(); pulse != r.pulse {
		r.pulse, r.wanted = pulse, time.Now()
	}
	p, err := r.read(ctx)
	if err != nil {
		r.broken = true
		r.trouble(ctx, err, "check the store", false)
		return
	}
	r.follow(ctx, p)
	if !r.due(p) {
		return
	}
	if err := r.list(ctx); err != nil {
		r.failed(ctx, err)
	}
}

// due says whether the org is to be asked.
func (r *Roster) due(p page) bool {
	now := time.Now()
	age := now.Sub(p.listed)
	switch {
	case now.Before(r.retry):
		return false
	case p.Listing == 0 || !p.knows(r.cfg.Patterns) || age >= r.every:
		return true
	}
	return p.listed.Before(r.wanted) && age >= r.cfg.Spacing
}

// list asks the org and writes down what it says, unless another process does.
func (r *Roster) list(ctx context.Context) error {
	began := time.Now()
	lease := r.cfg.Timeout + r.cfg.Timeout/4 // enough to write it down
	held, err := r.deps.Lead.Hold(ctx, lease)
	if err != nil || !held {
		return err
	}
	defer r.yield(ctx)
	p, err := r.read(ctx)
	if err != nil || !r.due(p) {
		return err // another process has just asked
	}
	bounded, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	found, err := r.deps.Lister.Channels(bounded)
	if err != nil {
		return fmt.Errorf("list the org's channels: %w", err)
	}
	if time.Since(began) >= lease {
		return errors.New("list the org's channels: it took so long that another process may have done it since")
	}
	p = p.turn(found, r.cfg.Patterns)
	if err := r.write(ctx, p); err != nil {
		return err
	}
	r.follow(ctx, p)
	return nil
}

// lastWords bounds how long giving up the lead may hold up a stop.
const lastWords = time.Second

// yield gives up the lead; if that fails it ends by itself.
func (r *Roster) yield(ctx context.Context) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := r.deps.Lead.Yield(bounded); err != nil {
		r.deps.Log.Debug("the lead over custom channels was not given up, it ends by itself", "err", err)
	}
}

// follow makes the subscriptions those of a page.
func (r *Roster) follow(ctx context.Context, p page) {
	channels := p.channels(r.cfg.Patterns)
	if !r.done || !slices.Equal(channels, r.applied) {
		r.tell(channels)
		if err := r.deps.Apply(ctx, channels); err != nil {
			r.done, r.broken = false, true
			r.trouble(ctx, err, "see the log", false)
			return
		}
		r.applied, r.done = channels, true
	}
	switch {
	case p.Listing > r.shown: // by whichever process
		r.tries, r.retry, r.shown = 0, time.Time{}, p.Listing
		r.every = r.cfg.Every + time.Duration((rand.Float64()-.5)/5*float64(r.cfg.Every))
		r.show(p)
	case r.broken:
		r.show(p)
	}
	r.broken = false
}

func (r *Roster) tell(channels []Channel) {
	has := func(all []Channel, c Channel) bool {
		return slices.ContainsFunc(all, func(o Channel) bool { return o.Topic == c.Topic })
	}
	for _, c := range channels {
		if !has(r.applied, c) {
			r.deps.Log.Info("custom channel found", "topic", c.Topic.String(), "appeared", c.Appeared)
		}
	}
	for _, c := range r.applied {
		if !has(channels, c) {
			r.deps.Log.Warn("custom channel gone, it is not read any more; its position is kept", "topic", c.Topic.String())
		}
	}
}

// failed notes a listing that failed, and when to try again.
func (r *Roster) failed(ctx context.Context, err error) {
	r.tries++
	wait := min(r.cfg.RetryFirst<<min(r.tries-1, 20), r.cfg.Every)
	wait = wait/2 + rand.N(wait/2+1)
	if e, ok := errors.AsType[*event.Error](err); ok && e.Healing == event.Throttled {
		wait = max(wait, e.After)
	}
	if event.HealingOf(err) == event.Permanent {
		wait = r.cfg.Every
	}
	r.retry, r.broken = time.Now().Add(wait), false
	r.trouble(ctx, err, event.HintOf(err), event.HealingOf(err) == event.Permanent)
}
