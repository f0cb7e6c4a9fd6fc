package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// call is one caller's share of a group.
type call[T any] struct {
	item T
	size int
	err  error
	done chan struct{}
	// state says who answers: 0 nobody yet, 1 the group, 2 the caller, who left.
	state atomic.Int32
}

// group merges what callers want written: while one transaction is under way,
// all further calls gather for the next.
type group[T any] struct {
	op string
	// limit bounds the sizes of the calls in one transaction.
	limit int
	// run does the work of the calls, setting err of each that it refuses.
	run func(ctx context.Context, calls []*call[T]) error

	mu     sync.Mutex // guards queue and closed
	queue  []*call[T]
	closed bool
	wake   chan struct{} // capacity 1
	done   chan struct{}
}

func newGroup[T any](op string, limit int, run func(context.Context, []*call[T]) error) *group[T] {
	return &group[T]{op: op, limit: limit, run: run, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// do hands an item to the next transaction and waits for its outcome. A ctx
// done before that has begun withdraws the item; a ctx done later leaves the
// outcome unknown.
func (g *group[T]) do(ctx context.Context, item T, size int) error {
	c := &call[T]{item: item, size: size, done: make(chan struct{})}
	if !g.submit(c) {
		return fmt.Errorf("%s: %w", g.op, contract.ErrClosed)
	}
	select {
	case <-c.done:
		return g.failure(c.err)
	case <-ctx.Done():
	}
	if c.state.CompareAndSwap(0, 2) {
		return ctx.Err()
	}
	select {
	case <-c.done:
		return g.failure(c.err)
	default:
	}
	return &event.Error{Op: g.op, Happened: event.HappenedUnknown, Healing: event.Transient, Err: ctx.Err()}
}

func (g *group[T]) failure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", g.op, err)
}

func (g *group[T]) submit(c *call[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.queue = append(g.queue, c)
	g.nudge()
	return true
}

func (g *group[T]) nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// stop ends the loop after what has been submitted.
func (g *group[T]) stop() {
	g.mu.Lock()
	g.closed = true
	g.nudge()
	g.mu.Unlock()
	<-g.done
}

// loop runs transactions until stop. ctx ends what is under way.
func (g *group[T]) loop(ctx context.Context) {
	defer close(g.done)
	for {
		calls, closed := g.gather()
		if len(calls) > 0 {
			g.commit(ctx, calls)
			continue
		}
		if closed {
			return
		}
		<-g.wake
	}
}

// gather takes the calls for one transaction, at least one.
func (g *group[T]) gather() (calls []*call[T], closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, size := 0, 0
	for n < len(g.queue) && (n == 0 || size+g.queue[n].size <= g.limit) {
		c := g.queue[n]
		n++
		if c.state.CompareAndSwap(0, 1) {
			size += c.size
			calls = append(calls, c)
		}
	}
	g.queue = g.queue[n:]
	if len(g.queue) == 0 {
		g.queue = nil
	}
	return calls, g.closed && n == 0
}

// commit runs the calls together. If the server finds fault with what one of
// them holds, they are run one by one, so that the others do not fail with it.
func (g *group[T]) commit(ctx context.Context, calls []*call[T]) {
	err := g.run(ctx, calls)
	if err != nil && len(calls) > 1 && event.HealingOf(err) == event.Permanent {
		for _, c := range calls {
			c.err = nil
			g.answer([]*call[T]{c}, g.run(ctx, []*call[T]{c}))
		}
		return
	}
	g.answer(calls, err)
}

func (g *group[T]) answer(calls []*call[T], err error) {
	for _, c := range calls {
		if err != nil {
			c.err = err
		}
		close(c.done)
	}
}
