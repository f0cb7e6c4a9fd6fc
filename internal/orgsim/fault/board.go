package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
)

// Board holds the faults that are switched on. Safe for concurrent use.
type Board struct {
	clock *clock.Clock
	// count mirrors len(entries), so that a board with nothing on it costs an
	// atomic load on the paths that carry every event.
	count atomic.Int32

	mu      sync.Mutex
	next    int
	entries []*entry
	changed chan struct{}
}

type entry struct {
	fault  Fault
	random *rand.Rand
	struck int
}

// State is a fault with how often it has struck.
type State struct {
	Fault
	Struck int `json:"struck"`
	// Spent says that Count is used up; a spent fault stays listed until cleared.
	Spent bool `json:"spent"`
}

// NewBoard returns a board with every fault off.
func NewBoard(c *clock.Clock) *Board {
	return &Board{clock: c, changed: make(chan struct{})}
}

// Set switches a fault on and returns its id. The first fault in the list that
// covers a request strikes; earlier ones win over later ones.
func (b *Board) Set(f Fault) (string, error) {
	if err := f.Validate(); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.ID == "" {
		b.next++
		f.ID = fmt.Sprintf("%s-%d", f.Name, b.next)
	}
	f.fixWindow(b.clock.Now())
	e := &entry{fault: f, random: rand.New(rand.NewPCG(f.Seed, f.Seed^0x9e3779b97f4a7c15))}
	if i := b.indexLocked(f.ID); i >= 0 {
		b.entries[i] = e
	} else {
		b.entries = append(b.entries, e)
	}
	b.changedLocked()
	return f.ID, nil
}

// Changed returns a channel that is closed at the next change of the board, for
// those who wait and would not come by to ask.
func (b *Board) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

func (b *Board) changedLocked() {
	b.count.Store(int32(len(b.entries)))
	close(b.changed)
	b.changed = make(chan struct{})
}

// Clear switches the fault with the id off and reports whether there was one.
func (b *Board) Clear(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.indexLocked(id)
	if i < 0 {
		return false
	}
	b.entries = slices.Delete(b.entries, i, i+1)
	b.changedLocked()
	return true
}

// ClearAll switches every fault off.
func (b *Board) ClearAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = nil
	b.changedLocked()
}

// List returns the faults in the order in which they were switched on.
func (b *Board) List() []State {
	b.mu.Lock()
	defer b.mu.Unlock()
	states := make([]State, 0, len(b.entries))
	for _, e := range b.entries {
		states = append(states, State{Fault: e.fault, Struck: e.struck, Spent: e.spent()})
	}
	return states
}

// Take asks whether a fault of the name strikes at p. If one does, it is counted
// and returned with its defaults filled in.
func (b *Board) Take(name Name, p Point) (Fault, bool) {
	if b == nil || b.count.Load() == 0 {
		return Fault{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.fault.Name == name && e.fault.covers(p) && b.strikesLocked(e) {
			e.struck++
			return e.fault.withDefaults(), true
		}
	}
	return Fault{}, false
}

func (b *Board) strikesLocked(e *entry) bool {
	if e.spent() {
		return false
	}
	now := b.clock.Now()
	if now.Before(e.fault.From) || !e.fault.Until.IsZero() && !now.Before(e.fault.Until) {
		return false
	}
	return e.fault.Probability == 0 || e.random.Float64() < e.fault.Probability
}

func (e *entry) spent() bool { return e.fault.Count > 0 && e.struck >= e.fault.Count }

func (b *Board) indexLocked(id string) int {
	return slices.IndexFunc(b.entries, func(e *entry) bool { return e.fault.ID == id })
}
