package subscriptiontest

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Bus is a source that retains what was published.
type Bus struct {
	// KeepAlive is how often a quiet stream sends its position; 0 for never.
	KeepAlive time.Duration
	// Credit is the most events in a batch.
	Credit int
	// Silent: no position is told, as over CometD for a while.
	Silent bool

	mu       sync.Mutex
	events   []event.Event
	oldest   int  // index of the first retained event
	era      byte // positions of another era are refused
	changed  chan struct{}
	broken   map[*stream]error
	openFail error
	opens    []event.Start
	live     map[*stream]bool
}

var _ event.Source = (*Bus)(nil)

// NewBus returns a bus without events that hands out batches of 100.
func NewBus() *Bus {
	return &Bus{Credit: 100, changed: make(chan struct{}), live: map[*stream]bool{}, broken: map[*stream]error{}}
}

// Publish appends events.
func (b *Bus) Publish(events ...event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, events...)
	b.wakeLocked()
}

// Expire drops all but the newest n events and refuses positions before them.
func (b *Bus) Expire(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.oldest = len(b.events) - n
}

// Migrate makes every position given out so far unknown.
func (b *Bus) Migrate() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.era++
}

// Break ends all open streams with err.
func (b *Bus) Break(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.live {
		b.broken[s] = err
	}
	b.wakeLocked()
}

// FailOpen makes Open fail with err until it is called with nil.
func (b *Bus) FailOpen(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.openFail = err
}

// Opens returns the starts asked for.
func (b *Bus) Opens() []event.Start {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]event.Start(nil), b.opens...)
}

// Streams returns how many streams are open.
func (b *Bus) Streams() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.live)
}

// At returns the position after the event with an index.
func (b *Bus) At(index int) event.Position {
	p := binary.BigEndian.AppendUint64(nil, uint64(index+1))
	return append(p, b.era)
}

// Open implements [event.Source]. Like the real bus it says nothing of a bad
// position until the first Next.
func (b *Bus) Open(_ context.Context, start event.Start) (event.Stream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opens = append(b.opens, start)
	if b.openFail != nil {
		return nil, b.openFail
	}
	s := &stream{bus: b, next: len(b.events)}
	switch {
	case start.After != nil:
		next, ok := b.indexLocked(start.After)
		if !ok {
			b.broken[s] = fmt.Errorf("fetch events: %w", event.ErrPositionRefused)
		}
		s.next = next
	case start.Earliest:
		s.next = b.oldest
	}
	b.live[s] = true
	return s, nil
}

func (b *Bus) indexLocked(p event.Position) (int, bool) {
	if len(p) != 9 || p[8] != b.era {
		return 0, false
	}
	next := int(binary.BigEndian.Uint64(p))
	return next, next >= b.oldest
}

func (b *Bus) wakeLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

type stream struct {
	bus  *Bus
	next int
}

// Next implements [event.Stream].
func (s *stream) Next(ctx context.Context) (event.Batch, error) {
	b := s.bus
	for {
		b.mu.Lock()
		if err := b.broken[s]; err != nil {
			defer b.mu.Unlock()
			return event.Batch{}, err
		}
		if s.next < len(b.events) {
			defer b.mu.Unlock()
			to := min(s.next+b.Credit, len(b.events))
			batch := event.Batch{
				Events: append([]event.Event(nil), b.events[s.next:to]...), Position: b.At(to - 1), Received: time.Now(),
			}
			for i := s.next; i < to; i++ {
				batch.Positions = append(batch.Positions, b.At(i))
			}
			if b.Silent {
				batch.Position, batch.Positions = nil, nil
			}
			s.next = to
			return batch, nil
		}
		changed, position := b.changed, b.At(s.next-1)
		b.mu.Unlock()
		var quiet <-chan time.Time
		if b.KeepAlive > 0 {
			quiet = time.After(b.KeepAlive)
		}
		select {
		case <-changed:
		case <-quiet:
			if b.Silent {
				position = nil
			}
			return event.Batch{Position: position, Received: time.Now()}, nil
		case <-ctx.Done():
			return event.Batch{}, ctx.Err()
		}
	}
}

// Close implements [event.Stream].
func (s *stream) Close() error {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.bus.live, s)
	delete(s.bus.broken, s)
	return nil
}
