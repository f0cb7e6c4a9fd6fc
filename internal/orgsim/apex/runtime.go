package apex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Publisher puts platform events on the bus under an id that was given to the
// script before.
type Publisher interface {
	PublishAs(id string, object *schema.Object, fields record.Row, user salesforce.ID) (string, error)
}

// Config is what transactions run on.
type Config struct {
	Records   *record.Engine
	Publisher Publisher
	Callouts  *callout.Client
	Clock     *clock.Clock
	// User finds a user by name; the empty name is the user that scripts without one run as.
	User func(username string) (salesforce.ID, bool)
	// OrgID is part of what exceptions say.
	OrgID salesforce.ID
	// SyncLimits and AsyncLimits: what is zero is as on the platform.
	SyncLimits, AsyncLimits Limits
	// MaxChain bounds how deep queueables start queueables: 5 in Developer Edition
	// and trial orgs, 0 for no bound, as elsewhere.
	MaxChain int
	// DailyAsync bounds asynchronous executions in 24 hours; 250,000 unless set.
	DailyAsync int
	// LongRunning is how many synchronous transactions may run longer than five
	// seconds at a time before others are refused; 10 unless set.
	LongRunning int
	// ActiveBatches and FlexQueue bound batch jobs that run and that wait; 5 and 100 unless set.
	ActiveBatches, FlexQueue int
	// Workers is how many jobs run at a time; 8 unless set.
	Workers int
	// History is how many finished transactions are kept to be looked at; 1,000 unless set.
	History int
	Logger  *slog.Logger
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	c.SyncLimits, c.AsyncLimits = orLimits(c.SyncLimits, SyncLimits()), orLimits(c.AsyncLimits, AsyncLimits())
	c.DailyAsync = cmp.Or(c.DailyAsync, 250_000)
	c.LongRunning = cmp.Or(c.LongRunning, 10)
	c.ActiveBatches = cmp.Or(c.ActiveBatches, 5)
	c.FlexQueue = cmp.Or(c.FlexQueue, 100)
	c.Workers = cmp.Or(c.Workers, 8)
	c.History = cmp.Or(c.History, 1_000)
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Records == nil || c.Publisher == nil || c.Callouts == nil || c.User == nil {
		return errors.New("apex runtime needs records, a publisher, callouts and users")
	}
	return nil
}

// Runtime runs transactions and the jobs that they start. Safe for concurrent use.
type Runtime struct {
	cfg     Config
	ctx     context.Context // ends with Close
	cancel  context.CancelCauseFunc
	running sync.WaitGroup
	workers chan struct{}
	batches chan struct{} // a place for each batch job that is active

	mu        sync.Mutex
	closed    bool
	number    int
	history   []*entry
	byID      map[string]*entry
	meters    map[*meter]struct{} // of synchronous transactions
	async     []time.Time         // when asynchronous executions began, for 24 hours
	flexQueue int
	signed    map[string]bool // duplicate signatures of jobs that have not begun
}

// ErrClosed is the end of a transaction when the org stops.
var ErrClosed = errors.New("apex runtime is closed")

// New returns a runtime. The caller closes it.
func New(cfg Config) (*Runtime, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	rt := &Runtime{
		cfg: cfg, workers: make(chan struct{}, cfg.Workers), batches: make(chan struct{}, cfg.ActiveBatches),
		byID: make(map[string]*entry), meters: make(map[*meter]struct{}), signed: make(map[string]bool),
	}
	rt.ctx, rt.cancel = context.WithCancelCause(context.Background())
	return rt, nil
}

// Close ends what runs, rolls it back, and forgets jobs that wait.
func (rt *Runtime) Close() {
	rt.mu.Lock()
	rt.closed = true
	rt.mu.Unlock()
	rt.cancel(ErrClosed)
	rt.running.Wait()
}

// unit is something to run: a script or a job.
type unit struct {
	entry     *entry
	script    *Script
	context   Context
	class     string
	user      salesforce.ID
	steps     []Step
	finalizer []Step
	batch     *BatchDecl
	with      variables
	depth     int // of the chain of queueables
	delay     time.Duration
	callouts  bool // of a future method
	signature string
}

// Start runs a script and returns its id at once.
func (rt *Runtime) Start(s *Script) (string, error) {
	user, ok := rt.cfg.User(s.User)
	if !ok {
		return "", fmt.Errorf("no user %q", s.User)
	}
	u := &unit{
		script: s, context: s.Context, class: s.Name, user: user, steps: s.Steps, finalizer: s.Finalizer, batch: s.Batch,
		with: asMap(normal(s.With)), depth: 1, callouts: true,
	}
	if !rt.admit(u, "") {
		return "", ErrClosed
	}
	rt.launch(u)
	return u.entry.id(), nil
}

// Run runs a script and waits for its end, not for the jobs that it starts. When
// ctx ends first, the script goes on.
func (rt *Runtime) Run(ctx context.Context, s *Script) (*Result, error) {
	id, err := rt.Start(s)
	if err != nil {
		return nil, err
	}
	return rt.Wait(ctx, id)
}

// launch starts a job that a transaction committed, after its delay.
func (rt *Runtime) launch(u *unit) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.closed {
		return
	}
	if u.signature != "" {
		rt.signed[u.signature] = true
	}
	if u.delay <= 0 {
		rt.running.Go(func() { rt.begin(u) })
		return
	}
	// A goroutine waits, not a timer's function: Close then has one thing to wait for.
	timer := rt.cfg.Clock.NewTimer(u.delay)
	rt.running.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C:
			rt.begin(u)
		case <-rt.ctx.Done():
		}
	})
}

// begin performs a job, whose signature is free from now on.
func (rt *Runtime) begin(u *unit) {
	if u.signature != "" {
		rt.mu.Lock()
		delete(rt.signed, u.signature)
		rt.mu.Unlock()
	}
	rt.perform(u)
}
