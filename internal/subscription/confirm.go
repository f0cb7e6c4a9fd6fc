package subscription

import (
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// confirmEvery is how often a source that keeps the position is told of a new one
// at most: what it does not know of yet comes again, and is known by its id.
const confirmEvery = time.Second

// confirmer tells a source that keeps the position what is stored. A nil one tells
// nobody.
type confirmer struct {
	to event.Committer

	mu    sync.Mutex
	due   event.Position
	timer *time.Timer // nil when nothing is due
	ended bool
}

func confirm(st event.Stream) *confirmer {
	to, ok := st.(event.Committer)
	if !ok {
		return nil
	}
	return &confirmer{to: to}
}

// stored notes a position; it is told soon.
func (c *confirmer) stored(at event.Position) {
	if c == nil || at == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = at
	if c.timer == nil && !c.ended {
		c.timer = time.AfterFunc(confirmEvery, c.tell)
	}
}

func (c *confirmer) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = nil
	if c.due != nil {
		_ = c.to.Commit(c.due) // a stream that takes none is dead, which its Next says
		c.due = nil
	}
}

// end tells what is due while the stream still stands.
func (c *confirmer) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.tell()
}
