package budget

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Deps is what a [Keeper] works with.
type Deps struct {
	// Book is the account that all processes share; required.
	Book Book
	// Limits asks the org's limits resource; nil never asks.
	Limits func(ctx context.Context) (map[string]Limit, error)
	Log    *slog.Logger
}

// Keeper joins a budget to those of other processes, and asks the org how it
// stands when no answer has told. It is a run.Worker.
//
// What a process was allowed is booked within [Config.Flush]: so much is lost of the
// account by priority when it is killed, and so late do others know. The org's own
// count, which decides what is allowed, is in every answer and is never lost.
type Keeper struct {
	budget *Budget
	deps   Deps
	asked  time.Time // what this process was told last
	pause  time.Duration
	news   chan struct{} // capacity 1: post at once
}

// NewKeeper returns the keeper of a budget.
func NewKeeper(b *Budget, d Deps) (*Keeper, error) {
	if d.Book == nil || d.Log == nil {
		return nil, errors.New("budget: a book and a log are required")
	}
	return &Keeper{budget: b, deps: d, pause: b.cfg.Poll, news: make(chan struct{}, 1)}, nil
}

// Name implements run.Worker.
func (*Keeper) Name() string { return "budget" }

// finalFlush bounds the last posting at a stop.
const finalFlush = 2 * time.Second

// Run books and asks until ctx is cancelled, then books what is left. A book that
// fails is tried again; meanwhile the process goes on by what it knows.
func (k *Keeper) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	asking.Go(func() { k.askLoop(ctx) })
	tick := time.NewTicker(k.budget.cfg.Flush)
	defer tick.Stop()
	for ctx.Err() == nil {
		k.post(ctx)
		select {
		case <-tick.C:
		case <-k.news:
		case <-ctx.Done():
		}
	}
	asking.Wait()
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalFlush)
	defer cancel()
	k.post(final)
	return nil
}

// post tells the book what is new, or asks it from time to time what others told it.
func (k *Keeper) post(ctx context.Context) {
	b := k.budget
	p, any := b.posting()
	if !any && b.cfg.Now().Sub(b.lastBooked()) < b.cfg.Refresh {
		return
	}
	account, err := k.deps.Book.Book(ctx, p)
	if err != nil {
		if b.refusedPosting(p, err) && ctx.Err() == nil {
			k.deps.Log.Warn("budget not booked, trying again", "err", err)
		}
		return
	}
	b.apply(account)
}

// askPatience bounds one question to the org.
const askPatience = time.Minute

func (k *Keeper) askLoop(ctx context.Context) {
	if k.deps.Limits == nil || k.budget.cfg.Poll < 0 {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(k.ask(ctx))
	}
}

// ask asks the org unless somebody else has done so lately, and returns when to look again.
func (k *Keeper) ask(ctx context.Context) time.Duration {
	b := k.budget
	told, ready := b.told()
	if !ready {
		return b.cfg.Flush // what others know is not read yet
	}
	pause := k.pause
	if !told.Equal(k.asked) {
		pause += 2 * b.cfg.Refresh // whoever asked last comes first
	}
	if wait := pause - b.cfg.Now().Sub(told); wait > 0 {
		return wait
	}
	// The question goes past the ceiling, or nobody would hear that there is room again.
	if !b.charge(Interactive, 1) {
		return b.cfg.Poll
	}
	bounded, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	limits, err := k.deps.Limits(bounded)
	if ctx.Err() != nil {
		return b.cfg.Poll
	}
	b.setTrouble(troubleLimits, err)
	if err != nil {
		k.deps.Log.Warn("the org's limits cannot be read", "err", err, "hint", event.HintOf(err))
		k.pause = min(2*max(k.pause, time.Minute), max(b.cfg.Poll, longestPause))
		return k.pause
	}
	b.ObserveLimits(limits)
	k.asked, _ = b.told()
	select {
	case k.news <- struct{}{}: // a process that starts just now need not ask again
	default:
	}
	k.pause = b.cfg.Poll
	return k.pause
}

// longestPause bounds the wait after failures to read the limits.
const longestPause = time.Hour
