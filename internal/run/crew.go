package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Crew is a worker made of workers that come and go while it runs. Each is kept
// from the others and started again when it fails, as by a [Supervisor]. Its methods
// are safe for concurrent use.
type Crew struct {
	name string
	boss *Supervisor // what a slot needs of one: settings and log

	mu    sync.Mutex // guards what follows
	hands map[string]*hand
	ctx   context.Context // of Run; nil while it does not run
}

// hand is a worker of a crew.
type hand struct {
	slot   *slot
	cancel context.CancelCauseFunc // nil before it was started
	done   chan struct{}           // closed when it has ended
}

// NewCrew returns a crew of nobody.
func NewCrew(name string, cfg Config, log *slog.Logger) (*Crew, error) {
	boss, err := New(cfg, log)
	if err != nil {
		return nil, err
	}
	return &Crew{name: name, boss: boss, hands: map[string]*hand{}}, nil
}

// Name implements Worker.
func (c *Crew) Name() string { return c.name }

// Run runs those who are in the crew, and those who join it, until ctx is
// cancelled; then it waits for all of them to end. It can be called again.
func (c *Crew) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.ctx != nil {
		c.mu.Unlock()
		return errors.New("run crew: already running")
	}
	c.ctx = ctx
	for _, h := range c.hands {
		c.startLocked(h)
	}
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	c.ctx = nil // who joins from now on is not started
	var left []*hand
	for _, h := range c.hands {
		if h.cancel != nil {
			left = append(left, h)
		}
	}
	c.mu.Unlock()
	for _, h := range left {
		<-h.done
	}
	return nil
}

// Hire adds a worker, and starts it if the crew runs. It fails on a name that is taken.
func (c *Crew) Hire(w Worker) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := w.Name()
	if _, taken := c.hands[name]; taken {
		return fmt.Errorf("hire worker %q: name taken", name)
	}
	h := &hand{slot: newSlot(Spec{Worker: w, Stage: Intake}, name)}
	c.hands[name] = h
	if c.ctx != nil {
		c.startLocked(h)
	}
	return nil
}

func (c *Crew) startLocked(h *hand) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	h.cancel, h.done = cancel, make(chan struct{})
	h.slot.become(Running, nil)
	done := h.done
	go func() {
		defer close(done)
		h.slot.supervise(ctx, c.boss, nil)
	}()
}

// Dismiss tells a worker to end, waits until it has and forgets it. Nobody of that
// name is no error. If ctx ends first its error is returned, and the worker is still
// in the crew.
func (c *Crew) Dismiss(ctx context.Context, name string) error {
	c.mu.Lock()
	h, ok := c.hands[name]
	if ok && h.cancel == nil {
		delete(c.hands, name)
		ok = false
	}
	c.mu.Unlock()
	if !ok {
		return nil
	}
	h.cancel(ErrStopping)
	select {
	case <-h.done:
	case <-ctx.Done():
		return fmt.Errorf("dismiss worker %q: %w", name, ctx.Err())
	}
	c.mu.Lock()
	delete(c.hands, name)
	c.mu.Unlock()
	return nil
}

// Health returns a snapshot of every worker of the crew, by name.
func (c *Crew) Health() []Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Health, 0, len(c.hands))
	for _, h := range c.hands {
		all = append(all, h.slot.snapshot())
	}
	slices.SortFunc(all, func(a, b Health) int { return strings.Compare(a.Name, b.Name) })
	return all
}
